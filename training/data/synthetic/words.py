"""The words that the built-in text model draws from: everyday English and German."""

from __future__ import annotations

_ENGLISH = """
a about above account across address after again age air all also amount and animal answer any
apple area arrive art as ask at author available average away baby back bag balance bank base be
beautiful because before begin below between big bill black blue board body book both box boy
bread bridge bring brown building business but buy by call car card care case cash cause center
chair change check cheese child choice church city class clean clear close coffee cold color
common company complete contact copy corner cost country course cream customer cut daily danger
dark date day deep delivery desk direct discount do doctor door double down draw dress drink drive
dry due each early earth east easy edge education egg eight end energy engine english enough
entrance equal even evening every example exit express extra eye face fact family farm fast father
field fifty figure final find fire first fish five flight floor flower food for force form forward
four free fresh friday friend from front fruit full garden gas general gift give glass gold good
great green group guest half hand happy have head health heart heavy help high history home hot
hotel hour house how idea important in income inside invoice iron is island item jacket job
journey joy judge juice jump just keep key kind king kitchen know label lake land large last late
law lemon letter level library life light line list little local long love lunch machine mail main
make manager map market matter maximum meal measure medium member menu metal middle milk minute
model monday money month morning mother motor mountain much museum music name nature near network
never new news next night nine no north note number object ocean of offer office oil old on one
only open orange order other out over page paper parking part party pay people phone picture piece
place plan plant please point police post power present press price private product project public
purple qualify quality quarter queen question quick quiet quiz radio rail rain rate reach read
receipt red region register rent repair report rest return rice right river road room round royal
rule safe sale salt school science sea search season seat second section secure service seven ship
shop short side silver simple single six size small snow social soft son sound soup south space
special square staff stage stand star start state station stone stop store story street strong
student sugar summer sun supply system table tax taxi tea team ten test thank the theory thing
this three thursday ticket time to today toilet total tower town trade traffic train travel tree
tuesday twelve two under unit until up use valley value vat very view village visit voice volume
wait walk wall want warning watch water way weather week welcome west wheel when which white whole
wide wild wind window winter with woman wood word work world write year yellow yes yesterday you
young zebra zero zone
"""

_GERMAN = """
Abend Achtung alle Änderung Apfel Apotheke April Äpfel Arbeit auch auf August aus Ausfahrt Ausgang
außen Bäcker Bahnhof bar Bäume Berg bitte blau Brief Brücke Brüder Buch Büro danke Datum deutsch
dreißig dürfen Eingang ein eins Erdgeschoß Eröffnung Fähre Fahrrad Februar Fenster früh fünf für
Fußgänger Garten Gasse Gebäude Gebühr gegründet geöffnet Gepäck geschlossen Geschäft Glück grau
groß grün Größe gültig Hafen Häuser Haus heiß Herbst heute hören Jahr Jänner Juli jung Jubiläum
Käse Kasse kein Kirche klein König Königin Küche kühl Kündigung Länge langsam Löffel Mädchen März
Maß Mehl Menü Milch mit Mittwoch möglich müde München Mützen Nächte natürlich neu nicht Nürnberg
oben Obst öffnen oder Öl Österreich Platz Preis prüfen Quelle quer Rathaus Rückgabe Säge Samstag
Schloß Schlüssel schön schließen Schüler Schwäche sechs Sonntag spät Stadt Straße Stück süß Süden
Tag Tür Tüte über Übung Uhr um Umschläge ungefähr unter Verkäufer verboten vier völlig von vorläufig
wählen Wagen während Wärme Wasser weiß Weg Wohnung Würfel Wünsche Xaver zählen Zahl Zeit ziehen
zwei zwölf zurück zuständig
"""

_MONTHS = """
January February March April May June July August September October November December
Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec Januar Februar März Mai Juni Oktober Dezember
"""

_UNITS = "kg g mm cm m km l ml W kW V A % °C pcs x St. MB GB px h min"

WORDS: tuple[str, ...] = tuple(dict.fromkeys((_ENGLISH + _GERMAN).split()))
"""Every word once, in the order above; German nouns keep their capital."""

MONTHS: tuple[str, ...] = tuple(_MONTHS.split())

UNITS: tuple[str, ...] = tuple(_UNITS.split())

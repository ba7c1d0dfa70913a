"""The Open Inference Protocol, spoken by Triton's own client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.runtime.serve.conftest import Serve, Served, png

triton = pytest.importorskip("tritonclient.http", reason="pip install 'tritonclient[http]'")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    client = triton.InferenceServerClient(served.url.removeprefix("http://"))
    yield client
    client.close()


def tensor(images: list[bytes], shape: list[int] | None = None, is_binary: bool = True) -> Any:
    shape = shape or [len(images)]
    given = triton.InferInput("image", shape, "BYTES")
    array = np.array(images, dtype=np.object_).reshape(shape)
    given.set_data_from_numpy(array, binary_data=is_binary)
    return given


def test_the_server_and_the_model_are_described(client: Any) -> None:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("toy")
    assert not client.is_model_ready("another")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("toy", "1")
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in metadata["outputs"]] == [
        "text",
        "confidence",
        "error",
        "warning",
    ]


def test_images_are_read_with_the_clients_defaults(
    client: Any, line_files: list[bytes], expected_texts: list[str]
) -> None:
    result = client.infer("toy", [tensor(line_files)])
    assert [text.decode() for text in result.as_numpy("text")] == expected_texts
    confidences = result.as_numpy("confidence")
    assert confidences.dtype == np.float32 and confidences.shape == (60,)
    assert ((confidences > 0) == np.array([bool(text) for text in expected_texts])).all()


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_json_and_binary_data_say_the_same(
    client: Any, line_files: list[bytes], expected_texts: list[str], compression: str | None
) -> None:
    images, texts = line_files[:6], expected_texts[:6]
    in_base64 = [base64.b64encode(image) for image in images]
    wanted = [triton.InferRequestedOutput("text", binary_data=False)]
    for given in (tensor(images, [6, 1]), tensor(in_base64, [2, 3], is_binary=False)):
        for outputs in (None, wanted):
            result = client.infer(
                "toy",
                [given],
                outputs=outputs,
                request_id="a 7",
                request_compression_algorithm=compression,
            )
            read = [
                text if isinstance(text, str) else text.decode() for text in result.as_numpy("text")
            ]
            assert read == texts
            assert result.get_response()["id"] == "a 7"
            assert (result.as_numpy("confidence") is None) == (outputs is wanted)


def test_one_bad_image_has_an_error_of_its_own(
    client: Any, line_files: list[bytes], expected_texts: list[str]
) -> None:
    result = client.infer("toy", [tensor([line_files[0], b"bad"])])
    assert [text.decode() for text in result.as_numpy("text")] == [expected_texts[0], ""]
    first, second = result.as_numpy("error")
    assert first == b"" and b"not an image" in second


def test_each_output_is_answered_once(client: Any) -> None:
    wanted = [triton.InferRequestedOutput("text", binary_data=False)] * 16
    with pytest.raises(triton.InferenceServerException, match="each output once"):
        client.infer("toy", [tensor([png()])], outputs=wanted)


def test_pages_that_are_not_read_are_a_warning(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "pages.tif"
    pages = [np.full((20, 60), level, dtype=np.uint8) for level in (0, 100, 200)]
    assert cv2.imwritemulti(str(file), pages)
    result = client.infer("toy", [tensor([png(), file.read_bytes()])])
    one_page, three_pages = result.as_numpy("warning")
    assert b"pages" not in one_page and b"1 of 3 pages" in three_pages


def test_what_cannot_be_done_is_the_clients_exception(client: Any) -> None:
    def refused(match: str, name: str, *tensors: Any, **options: Any) -> None:
        with pytest.raises(triton.InferenceServerException, match=match):
            client.infer(name, list(tensors), **options)

    refused("no such model", "another", tensor([png()]))
    refused("no such model", "toy", tensor([png()]), model_version="2")
    refused("no image could be read", "toy", tensor([b"bad"]))
    refused("expected one input", "toy", tensor([png()]), tensor([png()]))
    refused("unknown output", "toy", tensor([png()]), outputs=[triton.InferRequestedOutput("x")])
    refused("too many images", "toy", tensor([png()] * 65))
    number = triton.InferInput("image", [1], "FP32")
    number.set_data_from_numpy(np.zeros(1, dtype=np.float32))
    refused("of type BYTES", "toy", number)


def test_many_at_once_get_their_own(
    served: Served, line_files: list[bytes], expected_texts: list[str]
) -> None:
    client = triton.InferenceServerClient(served.url.removeprefix("http://"), concurrency=8)
    pending = [client.async_infer("toy", [tensor([image])]) for image in line_files]
    read = [answer.get_result().as_numpy("text")[0].decode() for answer in pending]
    client.close()
    assert read == expected_texts


def test_the_key_goes_in_a_header(serve: Serve) -> None:
    served = serve(key="a long key")
    client = triton.InferenceServerClient(served.url.removeprefix("http://"))
    with pytest.raises(triton.InferenceServerException, match="expected the API key"):
        client.infer("toy", [tensor([png()])])
    client.infer("toy", [tensor([png()])], headers={"Authorization": "Bearer a long key"})
    client.close()

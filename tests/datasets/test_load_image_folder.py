"""Pictures in a folder for each class."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from mnist_estimator import load_image_folder, make_pipeline


def write(path, size=(6, 8), colour=0, mode="L"):
    """Write a picture of one colour; size is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size[::-1], colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two classes: dark and light pictures."""
    for i in range(3):
        write(tmp_path / "dark" / f"{i}.png", colour=10 * i)
        write(tmp_path / "light" / "more" / f"{i}.bmp", colour=255 - i)
    write(tmp_path / "dark" / ".hidden" / "x.png")
    (tmp_path / "dark" / "notes.txt").write_text("no picture")
    return tmp_path


def test_images_labels_and_names(folder):
    data = load_image_folder(folder)
    assert data.images.dtype == np.uint8
    assert_array_equal(data.images[:, 0, 0, 0], [0, 10, 20, 255, 254, 253])
    assert data.images.shape == (6, 6, 8, 1)
    assert data.target.tolist() == ["dark"] * 3 + ["light"] * 3
    assert data.target_names == ["dark", "light"]
    assert [name.rpartition("/")[2] for name in data.filenames] == [
        "0.png", "1.png", "2.png", "0.bmp", "1.bmp", "2.bmp",
    ]  # fmt: skip
    assert data.skipped == []
    images, target = load_image_folder(folder, return_X_y=True)
    assert_array_equal(images, data.images)
    assert_array_equal(target, data.target)


def test_numbers_as_names_are_labels(tmp_path):
    for name in ("0", "10", "9"):
        write(tmp_path / name / "1.png")
    assert sorted(load_image_folder(tmp_path).target.tolist()) == [0, 9, 10]


def test_names_that_are_one_number_stay_apart(tmp_path):
    for name in ("1", "01"):
        write(tmp_path / name / "1.png")
    assert load_image_folder(tmp_path).target.tolist() == ["01", "1"]


def test_one_colour_picture_makes_all_of_them_colour(folder):
    write(folder / "dark" / "red.png", colour=(200, 0, 0), mode="RGB")
    images = load_image_folder(folder).images
    assert images.shape == (7, 6, 8, 3)
    assert images[3, 0, 0].tolist() == [200, 0, 0]
    assert load_image_folder(folder, image_shape=(6, 8, 1)).images.shape == (7, 6, 8, 1)


def test_other_sizes_are_brought_to_the_most_common_one(folder):
    picture = Image.new("L", (40, 10), 100)  # four times as wide as high
    picture.paste(0, (10, 0, 30, 10))
    picture.save(folder / "dark" / "9wide.png")
    images = load_image_folder(folder).images
    assert images.shape == (7, 6, 8, 1)
    wide = images[3, :, :, 0]
    assert_array_equal(wide[[0, 5]], np.full((2, 8), wide[0, 0]))  # the colour of its border
    assert 0 < wide[0, 0] <= 100
    assert wide[2:4, 3:5].max() < 30


def test_a_size_may_be_given(folder):
    assert load_image_folder(folder, image_shape=(4, 4)).images.shape == (6, 4, 4, 1)


def test_deep_transparent_and_rotated_pictures(tmp_path):
    write(tmp_path / "a" / "1.png", (4, 4))
    deep = np.full((4, 4), 65535, np.uint16)
    Image.fromarray(deep).save(tmp_path / "a" / "2deep.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a" / "3clear.png")
    write(tmp_path / "b" / "1.png", (4, 4))
    images = load_image_folder(tmp_path, image_shape=(4, 4, 1)).images
    assert images[:3, 0, 0, 0].tolist() == [0, 255, 255]  # clear pixels are paper


def test_bad_files_are_refused_or_left_out(folder):
    bad = folder / "dark" / "0bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ValueError, match=r'0bad.png cannot be read.*on_bad_file="skip"'):
        load_image_folder(folder)
    with pytest.warns(UserWarning, match="1 picture cannot be read"):
        data = load_image_folder(folder, on_bad_file="skip")
    assert data.skipped == [str(bad)]
    assert len(data.images) == 6
    cut = folder / "light" / "cut.bmp"
    cut.write_bytes((folder / "light" / "more" / "0.bmp").read_bytes()[:-20])
    with pytest.warns(UserWarning, match="2 pictures cannot be read"):
        assert len(load_image_folder(folder, on_bad_file="skip").images) == 6


def test_a_cache_is_memory_mapped(folder, tmp_path):
    cache = tmp_path / "cache.npy"
    data = load_image_folder(folder, cache=cache)
    assert isinstance(data.images, np.memmap)
    assert_array_equal(data.images, load_image_folder(folder).images)
    assert_array_equal(np.load(cache), data.images)


def test_large_images_ask_for_a_cache(folder, monkeypatch):
    monkeypatch.setattr("mnist_estimator.datasets._image_folder.LARGEST", 100)
    with pytest.raises(ValueError, match="Pass cache="):
        load_image_folder(folder)


def test_nothing_of_a_cache_stays_after_an_error(folder, tmp_path):
    cut = folder / "light" / "cut.bmp"
    cut.write_bytes((folder / "light" / "more" / "0.bmp").read_bytes()[:-20])
    before = set(tmp_path.iterdir())
    with pytest.raises(ValueError, match="cannot be read"):
        load_image_folder(folder, cache=tmp_path / "cache.npy")
    assert set(tmp_path.iterdir()) == before


def test_chosen_classes(folder):
    write(folder / "third" / "1.png")
    assert load_image_folder(folder, classes=["dark", "third"]).target_names == ["dark", "third"]
    with pytest.raises(ValueError, match="there is no medium"):
        load_image_folder(folder, classes=["dark", "medium"])
    with pytest.raises(TypeError, match="collection of names"):
        load_image_folder(folder, classes="dark")


def test_folders_without_classes(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no"):
        load_image_folder(tmp_path / "none")
    write(tmp_path / "bare.png")
    with pytest.raises(NotADirectoryError, match="folder for each class"):
        load_image_folder(tmp_path / "bare.png")
    with pytest.raises(ValueError, match=r"two classes or more.*1 pictures beside"):
        load_image_folder(tmp_path)
    write(tmp_path / "one" / "1.png")
    with pytest.raises(ValueError, match="'one'"):
        load_image_folder(tmp_path)
    with pytest.raises(ValueError, match="on_bad_file"):
        load_image_folder(tmp_path, on_bad_file="ignore")
    with pytest.raises(ValueError, match="image_shape"):
        load_image_folder(tmp_path, image_shape=(0, 3))


def test_a_pipeline_is_fitted_on_it(folder):
    images, target = load_image_folder(folder, return_X_y=True)
    pipe = make_pipeline(filters=(4,), epochs=30, early_stopping=False, random_state=0)
    assert pipe.fit(images, target).score(images, target) == 1.0

"""Published decoders against the originals' outputs; the decoder of any maps on the right frequencies and frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.stft import StftSettings
from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.decoder import (
    Canvas,
    FrameByFrame,
    MapDecoder,
    Placement,
    deepest_first,
    refined,
)
from otoscope.explain.decoder_published import PublishedLmac, PublishedPiq, stretched
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models import transformer
from otoscope.models.geometry import Geometry

ON = Spectrogram(StftSettings(512, 128), 16000)


@pytest.fixture
def case(parity):
    """Return the vectors of the networks by name, as tensors."""
    file = parity("networks")
    return lambda name: torch.from_numpy(file[name])


class TestPublished:
    """PIQ's and L-MAC's decoders."""

    @pytest.mark.parametrize(
        "family, hidden", [("cnn", "sb_conv2d_small/hidden"), ("focalnet", "sb/h_2x8x7x7")]
    )
    @torch.no_grad()
    def test_piq(self, case, ruled, deviation, family, hidden) -> None:
        name = "sb_piq_small" if family == "cnn" else f"sb_piq_{family}_small"
        net = PublishedPiq(family, 8, 40, 5).eval()
        net.load_state_dict(ruled(name))
        picture, found = net(case(hidden), case(f"{name}/labels").long())
        assert torch.equal(found.indices.int(), case(f"{name}/code_indices"))
        assert deviation(net.coded(case(hidden)), case(f"{name}/hcat").numpy()) < 5e-5
        assert deviation(picture, case(f"{name}/xhat_presigmoid").numpy()) < 5e-5

    @torch.no_grad()
    def test_piq_of_vit_covers_all_frames(self, case, ruled, deviation) -> None:
        net = PublishedPiq("vit", 8, 40, 5).eval()
        net.load_state_dict(ruled("sb_piq_vit_small"))
        picture, found = net(case("sb/h_2x8x14x14")[:1], case("sb_piq_vit_small/labels").long())
        assert picture.shape == (1, 1, 431, 513)
        assert torch.equal(found.indices.int(), case("sb_piq_vit_small/code_indices"))
        wanted = case("sb_piq_vit_small/xhat_presigmoid_mean_over_time").numpy()
        assert deviation(picture.mean(2), wanted) < 5e-5
        assert stretched(case("sb/h_2x8x7x7")).shape == (2, 8, 14, 14)

    @torch.no_grad()
    def test_piq_from_its_own_weights(self, parity, deviation) -> None:
        file = parity("posthoc")
        net = PublishedPiq("cnn", 8, 40, 5).eval()
        net.load_state_dict({k[7:]: torch.from_numpy(file[k]) for k in file.files if k.startswith("piq/sd.")})
        picture, found = net(torch.from_numpy(file["piq/psi_in"]), torch.tensor([1, 4]))
        assert np.allclose(found.codes, file["piq/psi_zq"], atol=1e-6)
        assert deviation(picture, file["piq/psi_out"]) < 5e-5

    @pytest.mark.parametrize(
        "on, name", [("stft", "sb_lmac_decoder_small"), ("mel", "sb_cnn14psi_mel_small")]
    )
    @torch.no_grad()
    def test_lmac(self, case, ruled, deviation, on, name) -> None:
        net = PublishedLmac(64, on)
        net.load_state_dict(ruled(name))
        blocks = ("x1_block6", "x2_block5", "x3_block4", "x4_block3")
        picture = net([case(f"sb_cnn14_small/{one}") for one in blocks])
        assert deviation(picture, case(f"{name}/xhat_presigmoid").numpy()) < 5e-5

    def test_sizes_at_full_width(self, parity) -> None:
        file = parity("posthoc")
        with torch.device("meta"):
            lmac, piq = PublishedLmac(2048), PublishedPiq("cnn", 256, 1024, 50)
        counts = [sum(one.numel() for one in net.parameters()) for net in (lmac, piq)]
        assert counts == [int(file["params/lmac_decoder_2048"]), int(file["params/piq_psi_256_1024"])]

    def test_refusals(self) -> None:
        with pytest.raises(UnknownNameError, match="focalnet"):
            PublishedPiq("focal", 8, 40, 5)
        with pytest.raises(UnknownNameError, match="picture"):
            PublishedLmac(64, "bark")
        with pytest.raises(InputError, match="multiple of 8"):
            PublishedLmac(20)


class TestPlacement:
    """Where a picture goes."""

    def test_a_row_stands_at_its_own_frequency(self) -> None:
        hertz = (500.0, 1500.0, 3500.0)
        geometry = Geometry(
            "BCFT", n_frequency=3, n_time=4, stride_s=0.25, offset_s=0.125, frequency_hz=hertz
        )
        picture = torch.zeros(1, 1, 3, 4)
        picture[0, 0, 1, 2] = 1.0
        placed = Placement(geometry, ON, ON.n_frames(16000))(picture)[0, 0]
        row, frame = divmod(int(placed.argmax()), placed.shape[1])
        assert float(ON.frequencies_hz()[row]) == pytest.approx(1500, abs=16)
        assert float(ON.times_s(placed.shape[1])[frame]) == pytest.approx(0.625, abs=0.005)
        assert torch.allclose(Placement(geometry, ON, 126)(torch.ones(1, 1, 3, 4)), torch.ones(1))

    def test_doubling_keeps_places(self) -> None:
        geometry = Geometry(
            "BCFT",
            n_frequency=3,
            n_time=4,
            stride_s=0.25,
            offset_s=0.125,
            frequency_hz=(500.0, 1500.0, 3500.0),
        )
        fine = refined(geometry, 1)
        assert fine.times_s()[:4].tolist() == pytest.approx([0.0625, 0.1875, 0.3125, 0.4375])
        assert fine.frequency_hz == pytest.approx((250.0, 750.0, 1250.0, 2000.0, 3000.0, 4000.0))
        assert refined(Geometry("BCT", n_time=4, stride_s=0.25), 2).n_frequency == 32
        assert refined(Geometry("BCT", n_time=4, stride_s=0.25), 2).frequency_hz is None

    def test_missing_frames_have_no_mask(self) -> None:
        placed = FrameByFrame(257, 10)(torch.full((1, 1, 257, 7), 3.0)).sigmoid()
        assert bool((placed[..., 7:] == 0).all()) and float(placed[..., :7].min()) > 0.9
        assert FrameByFrame(257, 5)(torch.zeros(1, 1, 257, 7)).shape == (1, 1, 257, 5)
        with pytest.raises(InputError, match="architecture='any'"):
            FrameByFrame(201, 10)(torch.zeros(1, 1, 257, 7))


class TestMapDecoder:
    """The decoder of any maps."""

    @torch.no_grad()
    def test_a_clip_does_not_depend_on_its_company(self) -> None:
        torch.manual_seed(0)
        shapes = [(6, 3, 5), (4, 6, 9)]
        net, maps = MapDecoder(shapes, 8), [torch.randn(3, *one) for one in shapes]
        alone = torch.cat([net([one[i : i + 1] for one in maps]) for i in range(3)])
        assert torch.allclose(net(maps), alone, atol=1e-5)
        assert net(maps).shape == (3, 1, 48, 72)

    @torch.no_grad()
    def test_maps_without_rows_get_some(self) -> None:
        net = MapDecoder([(6, 1, 5)], 8, outputs=2)
        picture = net([torch.randn(1, 6, 1, 5)])
        assert picture.shape == (1, 2, 64, 40)
        assert float(picture.std(2).mean()) > 0

    @torch.no_grad()
    def test_any_declared_maps(self, model, sounds) -> None:
        vit = transformer.build(("a", "b"), dim=16, depth=2, heads=2, hidden=16, n_mels=32, clip_s=1.0).eval()
        for network in (model, vit):
            hidden = deepest_first(network, None, 16000)
            assert hidden.layers == tuple(sorted(hidden.layers, reverse=True))
            net, on = MapDecoder(hidden.shapes, 8), Spectrogram.of(network)
            canvas = Canvas.of(network, hidden.layers, 16000, on, net.doublings)
            picture = canvas.placement(net(canvas.hidden(network, sounds).maps))
            assert picture.shape == (2, 1, on.settings.n_frequencies, on.n_frames(16000))
        assert hidden.layers == ("blocks.1", "blocks.0")

    def test_refusals(self) -> None:
        with pytest.raises(InputError, match="a decoder needs a map"):
            MapDecoder([])

"""All of torchvision's classification networks and families of timm: a layer that is a map, or a refusal."""

import re

import pytest
import timm
import torch
import torchvision
from captum.attr import LayerGradCam
from torch import nn
from torchvision.models import regnet

from helpers import find_layer, grad_cam

TORCHVISION = torchvision.models.list_models(module=torchvision.models)

# The layer before the last pool or mean, family by family.
LAYERS = {
    "alexnet": "features.11",
    "convnext": "features",
    "densenet": "features",
    "efficientnet": "features",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks.3",
    "mnasnet": "layers",
    "mobilenet": "features",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "resnext": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "classifier.2",
    "swin": "permute",
    "wide": "layer4",
    "vgg11": "features.19",
    "vgg11_bn": "features.27",
    "vgg13": "features.23",
    "vgg13_bn": "features.33",
    "vgg16": "features.29",
    "vgg16_bn": "features.42",
    "vgg19": "features.35",
    "vgg19_bn": "features.51",
}


def without_initialisation(name):
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


@pytest.fixture
def _regnet_reckons_on_the_processor(monkeypatch):
    """RegNet computes its widths with tensors, which must have values also where its weights have none."""
    reckon = regnet.BlockParams.from_init_params

    def on_the_processor(*args, **kwargs):
        with torch.device("cpu"):
            return reckon(*args, **kwargs)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", on_the_processor)


@pytest.mark.usefixtures("_regnet_reckons_on_the_processor")
@pytest.mark.parametrize("name", TORCHVISION)
def test_each_network_of_torchvision_has_a_layer_or_is_refused_with_advice(name):
    with torch.device("meta"):  # shapes only: no weights, no arithmetic
        model = torchvision.models.get_model(name, **without_initialisation(name)).eval()
        x = torch.zeros(1, 3, 224, 224)
    if name.startswith("vit"):
        with pytest.raises(ValueError, match=r"'conv_proj', .* tokens, .* turns tokens back into a map"):
            find_layer(model, x)
        return
    family = name if name.startswith("vgg") else re.match("[a-z]+", name)[0]
    assert find_layer(model, x) == LAYERS[family]


def close(ours, theirs):
    """Equal to 1e-5 of the largest value, which is not zero."""
    assert ours.shape == theirs.shape
    assert ours.max() > 0
    assert (ours - theirs).abs().max() <= 1e-5 * ours.max()


def images(side):
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def tiny(name, **changes):
    """A network with random weights in eval mode, its running statistics moved away from 0 and 1."""
    torch.manual_seed(0)
    model = timm.create_model(name, **changes) if "." not in name else named(name)(**changes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
        if isinstance(module, nn.Linear) and not module.weight.any():  # some heads begin with zeros
            nn.init.normal_(module.weight, std=0.1)
    return model.eval()


def named(name):
    return getattr(torchvision.models, name.removeprefix("torchvision."))


def top(model, x):
    """Each picture's own class."""
    with torch.no_grad():
        return model(x).argmax(dim=1)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("alexnet", 64),
        ("convnext_tiny", 64),
        ("densenet121", 64),
        ("efficientnet_b0", 64),
        ("inception_v3", 107),
        ("mnasnet0_5", 64),
        ("mobilenet_v2", 64),
        ("regnet_y_400mf", 64),
        ("shufflenet_v2_x0_5", 64),
        ("squeezenet1_0", 64),
        ("swin_t", 64),
        ("swin_v2_t", 64),
    ],
)
def test_the_maps_equal_captums(name, side):
    model, x = tiny(f"torchvision.{name}", **without_initialisation(name)), images(side)
    layer, target = find_layer(model, x), top(model, x)
    captum = LayerGradCam(model, model.get_submodule(layer))
    theirs = captum.attribute(x, target, relu_attributions=True)[:, 0].detach()
    close(grad_cam(model, layer, x, target), theirs)


def by_hand(model, layer, x, target):
    """Grad-CAM of a layer whose channels come last, by plain autograd."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *args: kept.append(args[2]))
    scores = model(x).gather(1, target[:, None]).sum()
    handle.remove()
    (gradients,) = torch.autograd.grad(scores, kept[0])
    assert gradients.ndim == 4
    weights = gradients.mean(dim=(1, 2), keepdim=True)
    return (weights * kept[0]).sum(dim=3).relu().detach()


@pytest.mark.parametrize(
    ("name", "side", "changes", "layer"),
    [
        ("swin_tiny_patch4_window7_224", 128, {"img_size": 128, "window_size": 4}, "norm"),
        ("swinv2_tiny_window8_256", 128, {"img_size": 128, "window_size": 4}, "norm"),
        ("mambaout_femto", 64, {}, "stages"),
        ("nest_tiny", 64, {"img_size": 64}, "norm"),
        ("sequencer2d_s", 64, {}, "norm"),
        ("hieradet_small", 128, {}, "blocks.15"),
    ],
)
def test_layers_with_channels_last_are_found_and_explained(name, side, changes, layer):
    model, x = tiny(name, **changes), images(side)
    assert find_layer(model, x) == layer
    target = top(model, x)
    close(grad_cam(model, layer, x, target), by_hand(model, layer, x, target))


@pytest.mark.parametrize(
    ("name", "layer"),
    [("swin_t", "features"), ("swin_t", "features.3.1.mlp"), ("convnext_tiny", "features.5.2.block.3")],
)
def test_inner_layers_with_channels_last_are_explained(name, layer):
    model, x = tiny(f"torchvision.{name}"), images(64)
    target = top(model, x)
    close(grad_cam(model, layer, x, target), by_hand(model, layer, x, target))


@pytest.mark.parametrize(
    "name",
    [
        "beit_base_patch16_224",
        "cait_xxs24_224",
        "coat_tiny",
        "crossvit_9_240",
        "deit_tiny_patch16_224",
        "levit_128",
        "mixer_s32_224",
        "mvitv2_tiny",
        "vit_base_patch16_siglip_224",
        "xcit_nano_12_p16_224",
    ],
)
def test_networks_that_go_on_with_tokens_are_refused_with_advice(name):
    with torch.device("meta"):
        model = timm.create_model(name).eval()
        x = torch.zeros(1, *model.default_cfg["input_size"])
    with pytest.raises(ValueError, match=r"goes on with tokens, .*: chapter 11 turns tokens back into a map"):
        find_layer(model, x)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("bat_resnext26ts", "final_conv"),
        ("coatnet_0_224", "norm"),
        ("edgenext_x_small", "norm_pre"),
        ("hrnet_w18", "final_layer"),
        ("maxvit_tiny_tf_224", "norm"),
        ("mobilevit_s", "final_conv"),
        ("resnet50_clip", "final_conv"),  # its attention pool makes tokens, and is a pool
    ],
)
def test_attention_on_the_way_and_in_the_last_pool_does_no_harm(name, layer):
    with torch.device("meta"):
        model = timm.create_model(name).eval()
        x = torch.zeros(1, *model.default_cfg["input_size"])
    assert find_layer(model, x) == layer


@pytest.mark.parametrize(
    "layer", ["attn_pool.k_norm", "attn_pool.kv", "blocks.0.attn.q_norm", "blocks.0.norm1"]
)
def test_the_parts_of_an_attention_pool_are_no_maps(layer):
    model = tiny(
        "vit_base_patch16_siglip_224",
        depth=1,
        embed_dim=96,
        num_heads=3,
        qk_norm=True,
        img_size=64,
        num_classes=10,
    )
    with pytest.raises(ValueError, match="without a spatial map"):
        grad_cam(model, layer, images(64), 0)

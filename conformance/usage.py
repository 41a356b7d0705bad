"""The shortest honest way to Grad-CAM with each library, beside `cam = grad_cam(model, layer, x, k)`.

Each text is run by a test: from `model`, `layer`, one picture `x` and a class `k` it makes `cam`, which is to
that of `grad_cam` what `GIVES` says.
"""

GRAD_CAM: dict[str, str] = {
    "grad-cam": """\
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
model.requires_grad_(False)  # else it fills the .grad of all parameters
with GradCAM(model, [layer]) as explain:
    cam = explain(x.requires_grad_(), [ClassifierOutputTarget(k)])
""",
    "torchcam": """\
from torchcam.methods import GradCAM
with GradCAM(model, layer) as explain:
    cam = explain(k, model(x), normalized=False)[0]
""",
    "captum": """\
from captum.attr import LayerGradCam
explain = LayerGradCam(model, layer)
cam = explain.attribute(x, target=k, relu_attributions=True)[:, 0]
""",
    "zennit": """\
from zennit.attribution import Gradient
below, above = model[:2], model[2:]  # it has no layers: the network is cut
a, one = below(x).detach(), torch.eye(5, dtype=x.dtype)[[k]]
with Gradient(above) as explain:
    cam = (explain(a, one)[1].mean((2, 3), keepdim=True) * a).sum(1).relu()
""",
}

GIVES: dict[str, str] = {
    "grad-cam": "equal up to scale",
    "torchcam": "equal",
    "captum": "equal",
    "zennit": "equal",
}

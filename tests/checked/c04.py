from __future__ import annotations


def field(kernel, layers):
    side, jump = 1, 1
    for stride, dilation in layers:
        side += (kernel - 1) * dilation * jump
        jump *= stride
    return side


def no_jump(kernel, layers):
    return 1 + sum((kernel - 1) * dilation for _, dilation in layers)


def own_stride(kernel, layers):
    side, jump = 1, 1
    for stride, dilation in layers:
        jump *= stride
        side += (kernel - 1) * dilation * jump
    return side


def no_dilation(kernel, layers):
    return 1 + (kernel - 1) * len(layers)


ANSWERS = {
    "04.5": (
        field,
        [
            (no_jump, "after the strides before it"),
            (own_stride, "after the strides before it"),
            (no_dilation, "does one layer widen the view"),
        ],
    )
}

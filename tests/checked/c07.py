from __future__ import annotations

import torch.nn.functional as F


def window(mask, side):
    share = F.avg_pool2d(mask[None, None].double(), side, stride=1)[0, 0]
    return divmod(share.argmax().item(), share.shape[1])


def of_the_whole(mask, side):
    share = F.avg_pool2d(mask[None, None].double(), side, stride=1)[0, 0]
    return divmod(share.argmax().item(), mask.shape[1])


def around_the_middle(mask, side):
    rows, columns = mask.nonzero().double().mean(dim=0).tolist()
    return round(rows) - side // 2, round(columns) - side // 2


ANSWERS = {
    "07.5": (
        window,
        [
            (of_the_whole, "your window holds"),
            (around_the_middle, "leaves a picture of"),
            (lambda mask, side: (0, 0), "your window holds"),
        ],
    )
}

"""What surrounds the features of a rendered face: background, clothes, neck, ears, skin and hair.

Light is computed linearly. Skin is lit by a wrapped Lambert term that reaches further round in red
than in blue, which is how light that has travelled under skin looks, plus a Blinn-Phong highlight.
"""

from __future__ import annotations

import numpy as np

from labkit.faces.geometry import (
    DEPTH,
    Geometry,
    blob,
    cover,
    dim,
    paint,
    ripple,
    smoothstep,
)
from labkit.faces.traits import Traits

WRAP = (0.42, 0.26, 0.2)  # how far red, green and blue light reach past the terminator


def background(t: Traits, g: Geometry) -> np.ndarray:
    """A sloping gradient with out-of-focus spots of light: linear colour (3, B, P)."""
    slope = g.across * np.cos(t.back_angle) + g.down * np.sin(t.back_angle)  # (B, P)
    mix = smoothstep(slope, -1.2, 1.2)
    canvas = t.back[:, :, :1] + (t.back_end - t.back) * mix  # (3, B, P)
    for x, y, radius, gain, colour in zip(
        t.spot_x, t.spot_y, t.spot_r, t.spot_gain, t.spot_colour, strict=True
    ):
        dx, dy = g.across - x, g.down - y
        outside = smoothstep(dx * dx + dy * dy, 0.35 * radius**2, radius**2)
        paint(canvas, colour, gain * (1.0 - outside))
    return canvas


def light_skin(
    t: Traits, nx: np.ndarray, ny: np.ndarray, nz: np.ndarray, gloss: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Light reflected per unit of skin colour, (3, B, P), and the highlight on it, (B, P)."""
    norm = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-6)
    facing = (nx * t.light[0] + ny * t.light[1] + nz * t.light[2]) * norm
    half_z = t.light[2] + 1.0  # the viewer looks along z
    length = np.sqrt(t.light[0] ** 2 + t.light[1] ** 2 + half_z**2)
    gleam = (nx * t.light[0] + ny * t.light[1] + nz * half_z) * (norm / length)
    gleam = np.maximum(gleam, 0.0) ** 2
    gleam = gleam * gleam
    gleam = gleam * gleam
    broad = gleam * gleam  # 16th power
    sharp = broad * broad  # 32nd power
    shine = gloss * (0.05 * broad + 0.07 * sharp)
    sky = 1.0 - 0.25 * ny * norm  # a little more ambient light from above
    lit = np.empty((3, *facing.shape), dtype=np.float32)
    for channel, (wrap, key, ambient) in enumerate(zip(WRAP, t.key, t.ambient, strict=True)):
        lit[channel] = np.maximum((facing + wrap) * (1.0 / (1.0 + wrap)), 0.0) * key + ambient * sky
    return lit, shine


def body(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Neck, shoulders and clothes; they stay upright whatever the head does."""
    x = (g.across - 0.75 * t.x) / t.scale - t.roll * 0.4
    y = (g.down - t.y) / t.scale
    spread = smoothstep(y, 0.95, 1.8)
    half = t.neck_w + 0.06 * smoothstep(-y, -0.9, -0.4) + 0.75 * spread * spread
    x_unit = x / half
    edge = np.abs(x) - half
    nx = x_unit * (0.95 - 0.5 * spread)
    nz = np.sqrt(np.maximum(1.05 - nx * nx, 0.05))
    lit, shine = light_skin(t, nx, 0.1 - 0.5 * spread, nz, 0.4)
    # The head's shadow falls on the neck away from the light.
    away = g.y - 0.2 - 0.25 * smoothstep(t.light[1], -0.7, 0.0)
    under = blob(g.x + 0.3 * t.light[0], away - 0.62, 0.62, 0.34)
    notch = blob(np.abs(x) - 0.1, y - 1.42 - 0.3 * np.abs(x), 0.12, 0.045)  # collarbones
    shade = 1.0 - 0.72 * under - 0.12 * notch
    skin = t.skin * lit * shade + shine * shade
    paint(canvas, skin, cover(np.maximum(edge, 0.4 - y), g.pixel) * (y > 0.3))

    # Clothes: the shoulder line falls outwards, the neckline is round or a V.
    ax = np.abs(x)
    shoulder = t.shoulder + 0.28 * ax * ax / (0.6 + ax) - 0.05 * smoothstep(-ax, -0.7, -0.3)
    dip = np.maximum(1.0 - (ax / (t.neck_w + 0.16)) ** 2, 0.0)
    round_line = t.shoulder - 0.05 + (t.neckline - t.shoulder + 0.1) * np.sqrt(dip + 0.001)
    v_line = t.shoulder + 1.2 * (t.neckline - t.shoulder + 0.25) * (1.0 - ax / (t.neck_w + 0.1))
    line = np.maximum(np.where(t.v_neck > 0, v_line, round_line), shoulder)
    inside = cover((line - y) * 0.8, g.pixel)
    fold = np.sin(5.0 * x + t.phase + 2.0 * y) * 0.5 + np.sin(9.0 * ax - 6.0 * y + t.phase)
    fall = np.clip(ax * 0.9, 0.0, 1.2)
    facing = 0.62 + 0.35 * t.light[0] * np.sign(x) * fall - 0.12 * fall + 0.035 * fold
    hem = 1.0 - 0.3 * np.exp(-(((y - line - 0.01) / 0.05) ** 2))
    stripe = 1.0 - t.stripes * (ripple(y * 30.0, 30.0, g.pixel) > 0.2)
    shadow = 1.0 - 0.45 * blob(g.x + 0.35 * t.light[0], g.y - 1.2, 0.65, 0.3)
    paint(canvas, t.cloth * (t.key * facing + t.ambient) * (hem * stripe * shadow), inside)


def ears(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Ears, behind the cheeks; turning the head shows one and hides the other."""
    turn = DEPTH * 0.55 * np.sin(t.yaw) * np.sign(g.x)  # they sit behind the head's axis
    turn = np.maximum(turn, -0.025)  # the near one stays on the head
    dx = np.abs(g.x) - (t.width * 0.985) + turn
    dy = g.y - 0.16 + 0.25 * dx
    level = (dx / 0.095) ** 2 + (dy / 0.19) ** 2
    rim = (level - 1.0) * 0.05
    inner = blob(dx - 0.01, dy + 0.02, 0.042, 0.1)
    lit, _ = light_skin(t, np.sign(g.x) * 0.45 + dx * 3.0, dy * 2.0, np.float32(0.75), 0.0)
    redder = t.skin * np.array([1.0, 0.86, 0.82], np.float32)[:, None, None]
    paint(canvas, redder * lit * (1.0 - 0.55 * inner), cover(rim, g.pixel))


def skin(canvas: np.ndarray, t: Traits, g: Geometry, hair_edge: np.ndarray) -> None:
    """The head itself: relief of bone and flesh, skin colour, blush, and soft shadows."""
    joy = np.clip(t.smile * 2.5, 0.0, 1.0)
    # (|u|, v, half-widths, height): bumps of the relief. Pairs are drawn once, in |u|.
    tip_u, tip_v = 0.16 * np.sin(t.yaw), t.nose_v - 0.075 + 0.16 * np.sin(t.pitch)
    middle = (
        (0.5 * tip_u, 0.17, 0.075 * t.nose_w, 0.22, 0.085 * t.nose_h),  # bridge of the nose
        (tip_u, tip_v, 0.088 * t.nose_w, 0.085, 0.11 * t.nose_h),  # tip
        (0.0, t.mouth_v - 0.02, 0.27, 0.17, 0.055),  # teeth under the lips
        (0.0, 0.5, 0.028, 0.055, -0.012),  # philtrum
        (0.0, t.mouth_v + 0.145, 0.14, 0.042, -0.022),  # hollow above the chin
        (0.0, 0.9, 0.17, 0.11, 0.05),  # chin
        (0.0, -0.45, 0.42, 0.22, 0.05),  # forehead
    )
    pairs = (
        (0.098 * t.nose_w, t.nose_v - 0.02, 0.046, 0.048, 0.034),  # wings of the nose
        (t.eye_u - 0.05, t.eye_v - 0.015, 0.17, 0.1, -0.052),  # eye sockets
        (t.eye_u, t.eye_v + 0.01, 0.14, 0.075, 0.035),  # eyeballs
        (t.eye_u * 0.9, t.brow_v + 0.01, 0.22, 0.06, 0.024),  # brow ridges
        (0.43, 0.3 - 0.03 * joy, 0.19, 0.16, 0.055 + 0.03 * joy),  # cheekbones
        (0.5, 0.62, 0.13, 0.16, -0.02),  # hollows of the cheeks
    )
    slope_u = np.zeros_like(g.u)
    slope_v = np.zeros_like(g.u)
    for u, v, wu, wv, height in pairs:
        du, dv = (g.au - u) * (1.0 / wu), (g.v - v) * (1.0 / wv)
        bump = np.exp(-(du * du + dv * dv)) * (2.0 * height)
        slope_u += bump * du * (1.0 / wu)
        slope_v += bump * dv * (1.0 / wv)
    slope_u *= g.side
    for u, v, wu, wv, height in middle:
        du, dv = (g.u - u) * (1.0 / wu), (g.v - v) * (1.0 / wv)
        bump = np.exp(-(du * du + dv * dv)) * (2.0 * height)
        slope_u += bump * du * (1.0 / wu)
        slope_v += bump * dv * (1.0 / wv)
    depth = g.bulge + 0.18  # a face is flatter in front than a sphere
    lit, shine = light_skin(
        t, g.nx * 0.95 + slope_u * depth, g.y * 0.8 + slope_v * depth, depth, t.gloss
    )

    # Where little light gets in: sockets, beside and under the nose, under the lip.
    nose_x = g.u - tip_u * 0.6 + 0.05 * t.light[0]
    shade = 0.36 * blob(nose_x, g.v - t.nose_v - 0.055, 0.13 * t.nose_w, 0.038)
    shade += 0.2 * blob(g.u + 0.16 * t.light[0], g.v - t.nose_v + 0.02, 0.1, 0.12)
    shade += 0.24 * blob(g.au - t.eye_u + 0.1, g.v - t.eye_v + 0.04, 0.11, 0.075)
    shade += 0.16 * blob(g.au - t.eye_u, g.v - t.eye_v - 0.085, 0.15, 0.03)
    shade += 0.2 * blob(g.u, g.v - t.mouth_v - 0.135, 0.13, 0.03)
    fold = g.au - 0.13 * t.nose_w - 0.28 * (g.v - t.nose_v + 0.06) - 0.35 * (g.v - t.nose_v) ** 2
    reach = smoothstep(g.v, t.nose_v - 0.1, t.nose_v + 0.02) * (
        1.0 - smoothstep(g.v, t.mouth_v - 0.1, t.mouth_v + 0.06)
    )
    shade += (0.07 + 0.2 * joy) * np.exp(-((fold * 32.0) ** 2)) * reach
    wing = g.au - 0.145 * t.nose_w
    shade += 0.24 * blob(wing, g.v - t.nose_v + 0.02, 0.02, 0.05)
    shade += 0.5 * (1.0 - smoothstep(hair_edge, -0.02, 0.16)) * (1.0 - t.bald)
    shade += 0.16 * smoothstep(-g.bulge, -0.5, 0.0)
    shade = np.minimum(shade, 0.85)

    red = 0.9 * blob(g.au - 0.4, g.v - 0.36, 0.2, 0.15)
    red = (red + 0.5 * blob(g.u - tip_u, g.v - tip_v, 0.1, 0.08)) * (0.3 * t.blush)
    spots = ripple(47.0 * g.u + 3.0 * t.phase, 47.0, g.pixel) * ripple(53.0 * g.v, 53.0, g.pixel)
    spots += ripple(61.0 * (g.u + 0.6 * g.v) + t.phase, 61.0, g.pixel) * 0.7
    spots = np.maximum(spots - 0.45, 0.0) * blob(g.au - 0.22, g.v - 0.28, 0.3, 0.17) * t.freckles
    face = np.empty_like(canvas)
    for channel, (blush, freckle, depth_of_shade) in enumerate(
        ((0.0, 0.2, 0.72), (0.42, 0.36, 0.95), (0.38, 0.45, 1.0))
    ):
        tone = t.skin[channel] * (1.0 - blush * red) * (1.0 - freckle * spots)
        face[channel] = (tone * lit[channel] + shine) * (1.0 - depth_of_shade * shade)
    paint(canvas, face, cover(g.head, g.pixel))


def hairline(t: Traits, g: Geometry) -> np.ndarray:
    """Distance of a pixel from the edge of the hair on the face, (B, P); negative under hair."""
    off = g.u - t.part
    edge = t.hairline + t.curtain * np.abs(off) + t.sweep * off * (1.0 - 0.8 * t.fringe)
    jag = 0.018 * np.sin(19.0 * g.u + t.phase) + 0.012 * np.sin(37.0 * g.u + 2.0 * t.phase)
    jag = jag + 0.012 * ripple(83.0 * g.u + 6.0 * g.v, 83.0, g.pixel)
    fringe = -0.29 + 0.16 * t.sweep * g.u + jag
    edge = edge + (fringe - edge) * t.fringe + jag * 0.5
    flank = np.maximum(g.au, np.abs(g.x)) / t.width
    edge = edge + (0.3 - 0.2 * t.fringe) * flank * flank * flank  # rounded at the temples
    start, stop = t.temple - 0.26, t.temple + 0.04
    reach = (flank + 0.12 * np.minimum(g.v, 0.0) - start) * (1.0 / (stop - start))
    reach = np.clip(reach, 0.0, 1.0)
    drop = t.length - edge
    below = g.v - edge - drop * (reach * reach * (3.0 - 2.0 * reach))
    steep = drop * 6.0 * reach * (1.0 - reach) / (t.width * (stop - start))
    return below / np.sqrt(1.0 + steep * steep)  # a distance also where the edge runs down the face


def _outline(t: Traits, g: Geometry) -> np.ndarray:
    """Signed distance to the outer edge of the hair, negative inside."""
    top = 1.0 + t.volume_top
    centre = -0.12
    below = np.maximum(g.y - centre, 0.0)
    long = t.length > 0.3
    # Short hair lies close at the ears.
    hug = smoothstep(g.y, t.length - 0.5, t.length) * (1.0 - long)
    width = t.width + t.volume_side * (1.0 - hug) - 0.03 * hug + t.flare * below * long
    width = width + t.wave * 0.5 * np.sin(6.0 * below + t.phase) * smoothstep(below, 0.1, 0.5)
    above = np.minimum(g.y - centre, 0.0) / (top + centre)
    level = np.sqrt((g.x / width) ** 2 + above * above + 1e-4)
    edge = (level - 1.0) * width
    angle = np.arctan2(g.x, 0.4 - g.y)
    lumps = np.sin(11.0 * angle + t.phase) + 0.7 * np.sin(23.0 * angle + 2.0 * t.phase)
    edge += t.curl * 0.016 * lumps
    end = g.y - t.length + 0.12 * (g.x / width) ** 2 + 0.02 * np.sin(31.0 * g.x + t.phase)
    return np.maximum(edge, end)


def hair_colour(t: Traits, g: Geometry) -> np.ndarray:
    """Shaded hair, (3, B, P): strands leave the parting and hang down, with a band of gloss."""
    fall = 0.3 + 0.7 * smoothstep(g.y, -1.35, 0.1)
    strand = (g.x - t.part * (1.0 - smoothstep(g.y, -1.1, -0.2))) / fall
    swing = np.sin(5.5 * g.y + t.phase + np.sign(g.x)) * smoothstep(g.y, -0.6, 0.4)
    strand = strand + t.wave * swing
    tilt = 0.5 * np.sin(3.0 * g.y + t.phase)
    texture = 0.5 * ripple(21.0 * strand + t.phase + tilt, 21.0, g.pixel)
    texture += 0.42 * ripple(47.0 * strand + 2.0 * t.phase - tilt, 47.0, g.pixel)
    texture += 0.36 * ripple(89.0 * strand + 3.0 * t.phase + 2.0 * tilt, 110.0, g.pixel)
    # Curls: three crossing waves on warped coordinates, and finer ones along their ridges.
    warp_x = g.x + 0.08 * np.sin(11.0 * g.y + t.phase)
    warp_y = g.y + 0.08 * np.sin(13.0 * g.x)
    knots = ripple(34.0 * warp_x, 34.0, g.pixel)
    knots += ripple(30.0 * (0.87 * warp_y - 0.5 * warp_x), 30.0, g.pixel)
    knots += ripple(32.0 * (0.87 * warp_y + 0.5 * warp_x), 32.0, g.pixel)
    knots += 0.8 * ripple(71.0 * warp_x + 5.0 * knots, 85.0, g.pixel)
    texture = texture + t.curl * (0.42 * knots - texture)
    nx = g.x / (t.width + t.volume_side)
    ny = (g.y + 0.15) * 0.85
    nz = np.sqrt(np.maximum(1.15 - nx * nx - np.minimum(ny, 0.0) ** 2, 0.08))
    facing = nx * t.light[0] + ny * t.light[1] * (ny < 0) + nz * t.light[2]
    body_light = np.maximum(facing * 0.75 + 0.25, 0.06)
    band = g.y + 0.78 - 0.42 * (g.x - 0.5 * t.light[0]) ** 2 * (g.y < 0.2)
    gloss = np.exp(-((band / 0.13) ** 2)) * (0.55 + 0.45 * texture) * (1.0 - 0.65 * t.curl)
    shade = (0.78 + 0.3 * texture) * body_light
    glow = 0.10 * gloss * body_light
    return t.hair * (t.key * shade + t.ambient) + (2.0 * t.hair + 0.3) * t.key * glow


def hair_behind(canvas: np.ndarray, t: Traits, g: Geometry, tone: np.ndarray) -> np.ndarray:
    """Hair behind head and neck; returns the outline for `hair_before`."""
    edge = _outline(t, g) + 4.0 * t.bald
    hollow = cover(np.abs(g.x) - 0.62 * t.width, g.pixel, 0.25) * (g.y > 0)
    paint(canvas, tone * (0.72 - 0.54 * hollow), cover(edge, g.pixel, 0.012))
    return edge


def hair_before(
    canvas: np.ndarray,
    t: Traits,
    g: Geometry,
    tone: np.ndarray,
    outline: np.ndarray,
    edge: np.ndarray,
) -> None:
    """Hair in front of forehead, temples and ears; darker where it springs from the skin."""
    alpha = cover(np.maximum(outline, edge), g.pixel, 0.02)
    short = 1.0 - smoothstep(t.length, 0.2, 0.4)
    alpha *= 1.0 - short * smoothstep(g.y, t.length - 0.34, t.length)  # clipped towards the ears
    root = 1.0 - 0.3 * np.exp(-((edge / 0.07) ** 2))
    paint(canvas, tone * root, alpha)
    # A shaven head keeps a shadow where its hair was.
    shaven = g.v - (t.hairline + 0.5 * smoothstep(np.abs(g.x) / t.width, 0.75, 1.0))
    shadow = t.bald * cover(shaven, g.pixel, 0.18) * cover(g.head, g.pixel)
    dim(canvas, 0.22 * shadow, (0.8, 0.85, 0.85))

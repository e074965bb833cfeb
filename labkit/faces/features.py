"""The features of a rendered face: eyes, brows, nostrils, mouth, beard and glasses.

Each is drawn in its own coordinates, in units of its half-width, from the frontal ones (u, v).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.faces.geometry import Geometry, blob, cover, dim, paint, ripple, smoothstep, stroke
from labkit.faces.traits import Traits


@dataclass(frozen=True)
class EyeFrame:
    """Eye coordinates in units of the half-width: ex -1 inner to +1 outer corner; ey down."""

    ex: np.ndarray
    ey: np.ndarray
    upper: np.ndarray  # ey of the upper and lower lid's edge
    lower: np.ndarray
    opening: np.ndarray  # signed distance to the opening between the lids, negative inside


def eye_frame(t: Traits, g: Geometry) -> EyeFrame:
    """Coordinates around both eyes at once."""
    ex = (g.au - t.eye_u) / t.eye_w
    ey = (g.v - t.eye_v) / t.eye_w - t.slant * ex * 2.0
    rest = np.maximum(1.0 - ex * ex, 0.0)
    upper = -t.lid_up * rest * (1.12 - 0.3 * ex) / (1.0 + 0.25 * ex * ex) - 0.02
    lower = t.lid_low * rest * (1.0 + 0.22 * ex) + 0.02
    steep = 1.0 / np.sqrt(1.0 + (2.0 * t.lid_up * ex) ** 2)
    opening = np.maximum(np.maximum(upper - ey, ey - lower) * steep, np.abs(ex) - 1.04)
    return EyeFrame(ex, ey, upper, lower, opening)


def eyes(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Eyeballs between their lids, lashes, the crease of the lid and make-up."""
    e = eye_frame(t, g)
    pixel = g.pixel / t.eye_w  # one pixel in eye units
    near = 1.0 - smoothstep(np.abs(e.ex), 0.85, 1.25)

    # The upper lid: make-up, then the crease where it folds into the socket.
    lid = np.clip((e.upper - e.ey) * 2.2, 0.0, 1.0)
    colour = t.shadow_colour * (t.key + t.ambient) * 0.6
    paint(canvas, colour, t.shadow * near * (e.ey < e.upper) * (1.0 - smoothstep(lid, 0.5, 1.0)))
    crease = e.ey - e.upper * 1.12 + 0.15
    dim(canvas, 0.42 * stroke(crease, 0.05, pixel) * near, (0.75, 1, 1))
    bag = e.ey - e.lower * 1.1 - 0.22
    dim(canvas, 0.1 * np.exp(-((bag / 0.1) ** 2)) * near, (0.7, 1, 1))

    # Eyeball: off-white, rounder and darker towards the corners and under the lid.
    gx, gy = t.gaze_x * g.side, t.gaze_y + 0.02
    dx, dy = e.ex - gx, e.ey - gy
    under_lid = 1.0 - smoothstep(e.ey - e.upper, 0.0, 0.3)
    ball = (0.9 - 0.32 * e.ex * e.ex - 0.42 * under_lid) * (0.62 + 0.38 * t.key[1])
    corner = np.exp(-(((e.ex + 0.95) / 0.13) ** 2))
    white = np.stack([ball, ball * (0.93 - 0.3 * corner), ball * (0.9 - 0.3 * corner)]) * 0.9
    # Iris: dark rim, lit from the far side, finely rayed; pupil; reflections of the light.
    radius = np.sqrt(dx * dx + dy * dy + 1e-6)
    unit = radius / t.iris_r
    right = dx * g.side  # ex points outwards; the light is on the same side of both eyes
    far = -(right * t.light[0] + dy * t.light[1]) / t.iris_r
    glow = 0.75 + 0.75 * smoothstep(far, -0.4, 0.9)
    rays = 1.0 + 0.16 * np.sin(14.0 * np.arctan2(dy, dx)) * np.exp(-1.2 * pixel * 5.0)
    rim = 1.0 - 0.72 * smoothstep(unit, 0.68, 1.0)
    iris = t.iris * (glow * rays * rim * (1.0 - 0.4 * under_lid) * 1.5)
    paint(white, iris, cover(radius - t.iris_r, pixel, 0.05))
    pupil = cover(radius - t.pupil_r * t.iris_r, pixel, 0.04)
    paint(white, np.full((3, 1, 1), 0.006, np.float32), pupil)
    spark = blob(right - 0.18 * t.light[0], dy - 0.2 * t.light[1] + 0.05, 0.085, 0.085)
    second = blob(right + 0.15 * t.light[0], dy - 0.16, 0.12, 0.07)
    for channel in white:
        channel += (spark * 0.95 + 0.1 * second) * (1.0 - 0.4 * under_lid)
    paint(canvas, white, cover(e.opening, pixel))

    # Lashes: a dark upper edge that thickens outwards, a faint lower one.
    flick = smoothstep(e.ex, -1.0, 0.9)
    reach = 1.0 - smoothstep(np.abs(e.ex), 0.98, 1.12)
    ink = t.hair * 0.15 + 0.004
    line = stroke(e.ey - e.upper + 0.02 * flick, 0.035 + 0.05 * t.lash * (0.4 + flick), pixel)
    paint(canvas, ink, np.minimum(line * reach * (0.55 + 0.35 * t.lash), 0.97))
    low = stroke(e.ey - e.lower - 0.01, 0.035, pixel) * reach * (0.18 + 0.22 * t.lash * flick)
    paint(canvas, t.skin * 0.12, low)


def brows(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Arched brows, thick at the nose and thin at the temple, drawn as short hairs."""
    bx = (g.au - t.eye_u - 0.02) / 0.21
    middle = t.brow_v - t.brow_arch * (1.0 - (bx - 0.12) ** 2) + t.brow_tilt * bx
    thick = (
        t.brow_thick
        * (1.15 - 0.6 * smoothstep(bx, -0.4, 1.1))
        * (0.65 + 0.35 * smoothstep(bx, -1.15, -0.7))
    )
    across = (g.v - middle) / thick
    ends = smoothstep(bx, -1.15, -0.85) * (1.0 - smoothstep(bx, 0.8, 1.1))
    hairs = 1.0 + 0.2 * ripple(70.0 * (g.au + 0.7 * g.v), 85.0, g.pixel)
    alpha = np.exp(-(across * across) * np.abs(across)) * ends * t.brow_dense * hairs
    colour = t.hair * 0.55 * (t.key * 0.7 + t.ambient)
    paint(canvas, colour, np.minimum(alpha, 0.95))


def nostrils(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Two soft dark openings; the rest of the nose is relief and shadow."""
    shift = 0.11 * np.sin(t.yaw)
    u = np.abs(g.u - shift) - 0.058 * t.nose_w
    v = g.v - t.nose_v - 0.018 - 0.3 * u
    dim(canvas, 0.72 * blob(u, v, 0.034 * t.nose_w, 0.017 + 0.3 * g.pixel), (0.85, 1, 1))


@dataclass(frozen=True)
class MouthFrame:
    """Mouth coordinates in units of the half-width, and the lips' four edges in my (down)."""

    mx: np.ndarray
    my: np.ndarray
    top: np.ndarray
    parting: np.ndarray
    inner: np.ndarray
    bottom: np.ndarray


def mouth_frame(t: Traits, g: Geometry) -> MouthFrame:
    """Edges of the lips: top of the upper, where they part, inner and outer edge of the lower."""
    mx = (g.u - 0.05 * np.sin(t.yaw)) / t.mouth_w
    my = (g.v - t.mouth_v) / t.mouth_w
    mx2 = mx * mx
    rest = np.maximum(1.0 - mx2, 0.0)
    parting = -t.smile * mx2 + 0.03 * np.exp(-(mx2 * 18.0)) + 0.35 * t.smile - 0.3 * t.gape * rest
    bow = 1.0 - 0.28 * np.exp(-(mx2 * 40.0)) - 0.25 * mx2
    top = parting - t.lip_up * 1.25 * rest * bow
    inner = parting + t.gape * rest * 1.25
    bottom = inner + t.lip_low * rest * (1.0 - 0.12 * mx2) * 1.1
    return MouthFrame(mx, my, top, parting, inner, bottom)


def mouth(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Lips lit from above, the line between them, and teeth and tongue where the mouth is open."""
    m = mouth_frame(t, g)
    pixel = g.pixel / t.mouth_w
    ax = np.abs(m.mx)
    lips = np.maximum(np.maximum(m.top - m.my, m.my - m.bottom) * 0.9, ax - 1.0)
    upper_y = (m.my - m.parting) / t.lip_up  # -1 at the top edge, 0 at the parting
    lower_y = (m.my - m.inner) / t.lip_low  # 0 at the inner edge, 1 at the bottom
    is_upper = m.my < 0.5 * (m.parting + m.inner)
    ridge = np.exp(-(((upper_y + 0.95) * 4.0) ** 2))
    swell = np.exp(-(((lower_y - 0.42) * 2.6) ** 2))
    upper_light = 0.62 - 0.22 * np.clip(-upper_y, 0, 1) + 0.25 * ridge
    lower_light = 0.72 + 0.42 * swell - 0.3 * smoothstep(lower_y, 0.6, 1.1)
    relief = np.where(is_upper, upper_light, lower_light)
    relief = relief * (1.0 + 0.35 * t.light[0] * np.clip(m.mx, -1, 1)) * (1.0 - 0.25 * ax * ax)
    grooves = 1.0 + 0.05 * ripple(26.0 * m.mx, 26.0 / 0.25, g.pixel)
    gloss = 0.10 * t.gloss * blob(m.mx - 0.25 * t.light[0], lower_y - 0.4, 0.4, 0.22) * ~is_upper
    colour = t.lip * (t.key * (0.85 * relief * grooves) + t.ambient) + gloss
    edge = cover(lips, pixel, 0.09)
    paint(canvas, colour, edge * 0.92)

    # The inside: dark and red; teeth hang from the upper lip, the tongue rises from below.
    gap = m.inner - m.parting
    inside = cover(np.maximum(np.maximum(m.parting - m.my, m.my - m.inner), ax - 0.97), pixel)
    inside = inside * smoothstep(gap, 0.0, 0.08)
    depth = (m.my - m.parting) / np.maximum(gap, 0.02)  # 0 at the upper lip, 1 at the lower
    dark = np.array([0.075, 0.012, 0.012], np.float32)[:, None, None]
    cavity = dark * (0.5 + 1.6 * np.exp(-(((depth - 1.0) / 0.35) ** 2) - 3.0 * m.mx**2))
    length = np.minimum(0.7 * gap + 0.02, 0.26 - 0.1 * m.mx**2)
    tooth_y = (m.my - m.parting) / np.maximum(length, 0.02)
    teeth = cover(np.maximum(m.my - m.parting - length, ax - 0.84), pixel, 0.02)
    seam = 1.0 - 0.14 * np.maximum(ripple(np.abs(m.mx) * 22.0 + 1.57, 22.0 / 0.25, g.pixel), 0.6)
    bright = (0.88 - 0.55 * m.mx**2) * seam * (0.6 + 0.4 * smoothstep(tooth_y, -0.1, 0.5))
    ivory = np.array([0.95, 0.86, 0.75], np.float32)[:, None, None] * (0.35 + 0.6 * t.key)
    paint(cavity, ivory * bright, teeth)
    paint(canvas, cavity, inside)

    # The parting itself, darkest at the corners, and the corners' dimples.
    shut = 1.0 - smoothstep(gap, 0.02, 0.12)
    ends = 1.0 - smoothstep(ax, 0.92, 1.1)
    line = stroke(m.my - m.parting, 0.035 + 0.02 * ax, pixel) * ends * (0.35 + 0.5 * shut)
    paint(canvas, t.lip * 0.12, np.minimum(line, 0.9))
    dim(canvas, 0.3 * blob(ax - 1.03, m.my - m.parting, 0.09, 0.1), (0.75, 1, 1))


def beard(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Anything from a shadow to a full beard; drawn before the mouth, which stays free."""
    m = mouth_frame(t, g)
    ax = np.abs(m.mx)
    edge = t.beard_v + 0.18 * smoothstep(-g.au, -0.62, -0.4) - 0.5 * smoothstep(g.au, 0.56, 0.72)
    jaw = smoothstep(g.v, edge - 0.06, edge + 0.12)
    lips_y = (m.my - 0.5 * (m.top + m.bottom)) / (0.5 * (m.bottom - m.top) + 0.25)
    around = 1.0 - np.exp(-(ax * ax * ax * ax) * 0.6 - lips_y * lips_y * lips_y * lips_y)
    around *= 1.0 - blob(ax, m.my + 0.75, 1.15, 0.42)  # the upper lip is the moustache's
    below_lip = 1.0 - 0.6 * blob(g.au - 0.11, g.v - t.mouth_v - 0.14, 0.07, 0.04)
    chin = jaw * around * below_lip
    bristle = (m.my + 0.42 + 0.05 * m.mx**2) * 5.0
    lip = np.exp(-(bristle * bristle * bristle * bristle)) * (1.0 - smoothstep(ax, 0.95, 1.35))
    lip = lip * t.moustache * (1.0 - 0.35 * np.exp(-((m.mx / 0.08) ** 2)))
    warp = 0.05 * np.sin(9.0 * g.v + t.phase)
    grain = 0.5 * ripple(97.0 * (g.u + warp) + 21.0 * g.v, 97.0, g.pixel)
    grain += 0.5 * ripple(129.0 * (g.u - warp) - 31.0 * g.v, 129.0, g.pixel)
    grain *= smoothstep(g.bulge, 0.35, 0.8)  # seen edge-on the hairs would merge into stripes
    alpha = np.maximum(chin * t.beard, lip) * (0.88 + 0.12 * grain)
    facing = 0.5 + 0.3 * g.bulge + 0.35 * g.nx * t.light[0]
    colour = t.hair * 0.75 * (t.key * facing * (1.0 + 0.3 * grain) + t.ambient)
    paint(canvas, colour, np.minimum(alpha * cover(g.head, g.pixel), 0.93))


def glasses(canvas: np.ndarray, t: Traits, g: Geometry) -> None:
    """Frames between round and square, a bridge, temples to the ears, and a faint reflection."""
    du, dv = np.abs(g.au - t.eye_u - 0.02), np.abs(g.v - t.eye_v - 0.03)
    round_w, round_h = 0.235, 0.19
    corner = 0.06 + 0.12 * t.frame_round
    qx, qy = np.maximum(du - round_w + corner, 0.0), np.maximum(dv - round_h + corner, 0.0)
    inner = np.minimum(np.maximum(du - round_w, dv - round_h) + corner, 0.0)
    rim = np.sqrt(qx * qx + qy * qy) + inner - corner
    bridge = stroke(g.v - t.eye_v + 0.02 + 0.25 * g.u**2, 0.016, g.pixel)
    bridge = bridge * (rim > 0) * (g.au < t.eye_u)
    arm = stroke(g.v - t.eye_v + 0.07, 0.015, g.pixel) * (rim > 0)
    arm = arm * (g.au > t.eye_u) * (g.head < 0)
    on = t.glasses
    dim(canvas, on * 0.25 * np.exp(-((rim / 0.035) ** 2)), (1, 1, 1))  # shadow of the frame
    lens = cover(rim, g.pixel)
    streak = np.exp(-(((g.u + 0.9 * g.v - 0.1 * g.side - t.eye_u * g.side) / 0.06) ** 2))
    for channel in canvas:
        channel += on * lens * (0.012 + 0.05 * streak)
    alpha = on * np.maximum(np.maximum(stroke(rim, 0.017, g.pixel), bridge), arm)
    shine = 0.5 + 0.6 * np.exp(-(((dv - 0.16) / 0.05) ** 2)) * (g.v < t.eye_v)
    paint(canvas, t.frame * (t.key * shine + t.ambient), np.minimum(alpha * 1.1, 0.97))

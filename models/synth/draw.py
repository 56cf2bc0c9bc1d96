"""Draws a world of instanced meshes with moderngl: colour in linear light, ids, depth. The one door to moderngl.

Metres, z up. Runs on Mesa's llvmpipe (no graphics card): Debian packages libegl1, libgl1-mesa-dri, libgl1.
What is drawn: opaque meshes with one shadowed sun, point lamps, sky and ground light; then films (blended, without id).
"""

# ruff: noqa: PLR2004  a drawing is made of numbers

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from shaders import AREA_VERTEX, COLOUR_FRAGMENT, DEPTH_FRAGMENT, ID_FRAGMENT, ONE_FRAGMENT, VERTEX

if TYPE_CHECKING:
    import moderngl
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

MAX_LAMPS = 6
TILE, TILES = 32, 32
"""Areas are measured in an atlas of 32 x 32 tiles of 32 x 32 pixels: at most 1,023 instances a picture."""
SHADOW_PX = 768
OWN = 1000
"""Layers from here on are the world's own."""
_VERTEX_FLOATS, _INSTANCE_FLOATS = 12, 24
_VERTEX_FORMAT = ("3f 3f 2f 1f 3f /v", "in_position", "in_normal", "in_uv", "in_part", "in_colour")
_INSTANCE_FORMAT = ("4f 4f 4f 4f 4f 4f /i", "row0", "row1", "row2", "tint", "uv_place", "surface")


class NoGraphicsError(RuntimeError):
    """There is no EGL here; the message says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """Triangles: `vertices` n x 12 (place 3, normal 3, uv 2, part 1, colour 3), `triangles` m x 3."""

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A surface: the texture's layer (below 0 none), tint, gloss 0..1, bump (metres), retro-reflection, uv placing."""

    layer: int = -1
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.05
    bump: float = 0.0
    retro: float = 0.0
    uv: tuple[float, float, float, float] = (1.0, 1.0, 0.0, 0.0)


@dataclass(slots=True, kw_only=True)
class Light:
    """The sun (towards the scene, with a shadow), up to six lamps, light from above and from the ground; linear."""

    sun: tuple[float, float, float] = (0.3, 0.2, -1.0)
    sun_colour: tuple[float, float, float] = (0.8, 0.8, 0.8)
    softness: float = 1.5
    sky: tuple[float, float, float] = (0.35, 0.35, 0.35)
    ground: tuple[float, float, float] = (0.15, 0.15, 0.15)
    lamps: list[tuple[tuple[float, float, float], tuple[float, float, float], float]] = field(default_factory=list)
    """Place, colour, reach in metres."""
    centre: tuple[float, float, float] = (0.0, 0.0, 0.5)
    """The shadow is drawn round it, `radius` metres wide to each side."""
    radius: float = 6.0


@dataclass(slots=True, kw_only=True)
class World:
    """What there is to draw: instances by mesh, films, pictures for textures, light."""

    light: Light = field(default_factory=Light)
    solid: list[tuple[Mesh, NDArray[np.float32], Look, int]] = field(default_factory=list)
    film: list[tuple[Mesh, NDArray[np.float32], Look, int]] = field(default_factory=list)
    layers: list[NDArray[np.uint8]] = field(default_factory=list)
    """RGBA pictures 256 x 256, alpha is height: the world's own, behind the common ones."""

    def add(self, mesh: Mesh, place: Array, look: Look, name: int = 0) -> None:
        """One instance: `place` is a 4 x 4 matrix, `name` its id (0: nobody's)."""
        self.solid.append((mesh, np.asarray(place, np.float32), look, name))

    def cover(self, mesh: Mesh, place: Array, look: Look) -> None:
        """One see-through instance: the texture's red is its opacity."""
        self.film.append((mesh, np.asarray(place, np.float32), look, 0))

    def layer(self, picture: NDArray[np.uint8]) -> int:
        """Keeps a texture; returns the layer to name in a Look."""
        self.layers.append(picture)
        return OWN + len(self.layers) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One picture: colour (linear light, h x w x 3 blue-green-red), ids, depth in metres, and of each id its whole."""

    colour: NDArray[np.float32]
    ids: NDArray[np.int32]
    depth: NDArray[np.float32]
    boxes: dict[int, tuple[float, float, float, float]]
    """Of the whole instance, hidden and outside parts too, pixels."""
    areas: dict[int, float]
    """Pixels of the whole instance's silhouette."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Instances of one mesh whose textures are of one kind."""

    vertices: moderngl.Buffer
    triangles: moderngl.Buffer
    instances: moderngl.Buffer
    count: int
    own: bool
    bumpy: bool


class Painter:
    """Holds a graphics context, the common textures, programs and frame buffers."""

    def __init__(self, common: list[NDArray[np.uint8]]) -> None:
        import moderngl

        _one_thread()
        try:
            self._gl = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        except Exception as problem:  # moderngl raises what glcontext happens to raise
            raise NoGraphicsError(
                f"no EGL context ({problem}); install libegl1 libgl1-mesa-dri libgl1 (scripts/setup does)"
            ) from problem
        gl = self._gl
        gl.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self._colours = {
            kind: gl.program(vertex_shader=VERTEX, fragment_shader=COLOUR_FRAGMENT.replace("//KIND", _defined(kind)))
            for kind in ("", "BUMP", "BUMP FILM")
        }
        self._identity = gl.program(vertex_shader=VERTEX, fragment_shader=ID_FRAGMENT)
        self._depth = gl.program(vertex_shader=VERTEX, fragment_shader=DEPTH_FRAGMENT)
        self._area = gl.program(vertex_shader=AREA_VERTEX, fragment_shader=ONE_FRAGMENT)
        self._common = self._texture(common)
        self._empty = self._texture([np.zeros((4, 4, 4), np.uint8)])
        self._last: tuple[list[NDArray[np.uint8]], int, moderngl.TextureArray] | None = None
        self._meshes: dict[int, tuple[Mesh, moderngl.Buffer, moderngl.Buffer]] = {}
        self._targets: dict[tuple[tuple[int, int], bool], tuple[moderngl.Framebuffer, ...]] = {}
        self._shadow = gl.depth_texture((SHADOW_PX, SHADOW_PX))
        self._shadow.compare_func = "<="
        self._shadow_target = gl.framebuffer(depth_attachment=self._shadow)
        self._atlas = gl.framebuffer(gl.renderbuffer((TILE * TILES,) * 2, 1))
        self._boxes = gl.texture((TILES, TILES), 4, dtype="f4")
        self._boxes.filter = (moderngl.NEAREST, moderngl.NEAREST)

    @property
    def renderer(self) -> str:
        """What draws."""
        return str(self._gl.info["GL_RENDERER"])

    def draw(self, world: World, view: Array, projection: Array, size: tuple[int, int], *, fine: bool = True) -> Drawn:
        """One picture, `size` = (width, height) pixels; `projection` as of OpenGL, y up.

        Not `fine`: in half the time, edges softened afterwards instead of sampled four times.
        """
        import moderngl

        gl, camera = self._gl, np.asarray(projection @ view, np.float32)
        own = self._own(world.layers)
        solid, film = self._batches(world.solid), self._batches(world.film)
        sun = _sun_matrix(world.light)
        many, plain, named = self._target(size, fine=fine)

        self._shadow_target.use()
        self._shadow_target.clear()
        self._depth["camera"].write(sun.T.astype("f4").tobytes())  # type: ignore[union-attr]
        gl.polygon_offset = 1.5, 2.0
        self._render(self._depth, solid)
        gl.polygon_offset = 0.0, 0.0

        named.use()
        named.clear()
        self._identity["camera"].write(camera.T.tobytes())  # type: ignore[union-attr]
        self._render(self._identity, solid)
        raw = np.frombuffer(named.read(components=2, dtype="f4"), np.float32).reshape(size[1], size[0], 2)[::-1]

        many.use()
        red, green, blue = world.light.sky
        many.clear(0.6 * red, 0.6 * green, 0.6 * blue)
        for program in self._colours.values():
            self._set(program, world.light, camera, sun, view)
        self._shadow.use(2)
        self._shade(solid, own, film=False)
        if film:
            gl.enable(moderngl.BLEND)
            gl.disable(moderngl.CULL_FACE)
            gl.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
            many.depth_mask = False
            self._shade(film, own, film=True)
            many.depth_mask = True
            gl.disable(moderngl.BLEND)
            gl.enable(moderngl.CULL_FACE)
        if fine:
            gl.copy_framebuffer(plain, many)
        pixels = np.frombuffer(plain.read(components=3, dtype="f2"), np.float16).reshape(size[1], size[0], 3)
        colour = np.ascontiguousarray(pixels[::-1, :, ::-1], np.float32)
        if not fine:
            colour = _softened(colour, raw[..., 1])

        boxes = whole_boxes(world, camera, size)
        measured = self._areas(solid, boxes, camera, size)
        for made in (solid, film):
            for batch in made:
                batch.instances.release()
        return Drawn(
            colour=colour,
            ids=np.ascontiguousarray(raw[..., 0]).astype(np.int32),
            depth=np.ascontiguousarray(raw[..., 1]),
            boxes=boxes,
            areas=measured,
        )

    def _texture(self, pictures: list[NDArray[np.uint8]]) -> moderngl.TextureArray:
        import moderngl

        height, width = pictures[0].shape[:2]
        made = self._gl.texture_array((width, height, len(pictures)), 4, np.stack(pictures).tobytes())
        made.build_mipmaps()
        made.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return made

    def _own(self, layers: list[NDArray[np.uint8]]) -> moderngl.TextureArray:
        """The world's own textures; they stay on the card while frames of one clip are drawn."""
        if not layers:
            return self._empty
        if self._last is None or self._last[0] is not layers or self._last[1] != len(layers):
            if self._last is not None:
                self._last[2].release()
            self._last = (layers, len(layers), self._texture(layers))
        return self._last[2]

    def _target(self, size: tuple[int, int], *, fine: bool) -> tuple[moderngl.Framebuffer, ...]:
        if (size, fine) not in self._targets:
            gl = self._gl
            depth = gl.depth_renderbuffer(size)
            plain = gl.framebuffer(gl.renderbuffer(size, 4, dtype="f2"), depth)
            named = gl.framebuffer(gl.renderbuffer(size, 2, dtype="f4"), gl.depth_renderbuffer(size))
            many = plain
            if fine:
                many = gl.framebuffer(
                    gl.renderbuffer(size, 4, samples=4, dtype="f2"), gl.depth_renderbuffer(size, samples=4)
                )
            self._targets[size, fine] = (many, plain, named)
        return self._targets[size, fine]

    def _batches(self, what: list[tuple[Mesh, NDArray[np.float32], Look, int]]) -> list[_Batch]:
        groups: dict[tuple[int, bool, bool], list[tuple[Mesh, NDArray[np.float32], Look, int]]] = {}
        for entry in reversed(what):  # floors and walls were added first and are drawn last: less is painted over
            look = entry[2]
            groups.setdefault((id(entry[0]), look.layer >= OWN, look.bump > 0), []).append(entry)
        made = []
        for (_, own, bumpy), group in groups.items():
            rows = np.empty((len(group), _INSTANCE_FLOATS), np.float32)
            for row, (_, place, look, name) in zip(rows, group, strict=True):
                row[:12] = place[:3].ravel()
                row[12:] = (*look.tint, look.layer, *look.uv, name, look.gloss, look.bump, look.retro)
            vertices, triangles = self._buffers(group[0][0])
            instances = self._gl.buffer(rows.tobytes())
            made.append(_Batch(vertices, triangles, instances, len(group), own=own, bumpy=bumpy))
        return made

    def _buffers(self, mesh: Mesh) -> tuple[moderngl.Buffer, moderngl.Buffer]:
        """A mesh stays on the card while it is among the last 400 used: bodies are new in each picture."""
        kept = self._meshes.pop(id(mesh), None)
        if kept is None:
            vertices = np.ascontiguousarray(mesh.vertices, np.float32)
            kept = (
                mesh,
                self._gl.buffer(vertices.tobytes()),
                self._gl.buffer(np.ascontiguousarray(mesh.triangles, np.int32).tobytes()),
            )
        self._meshes[id(mesh)] = kept
        while len(self._meshes) > 400:
            old = self._meshes.pop(next(iter(self._meshes)))
            old[1].release()
            old[2].release()
        return kept[1], kept[2]

    def _render(
        self,
        program: moderngl.Program,
        batches: list[_Batch],
    ) -> None:
        for batch in batches:
            attributes = self._gl.vertex_array(
                program,
                [_wanted(program, batch.vertices, _VERTEX_FORMAT), _wanted(program, batch.instances, _INSTANCE_FORMAT)],
                batch.triangles,
            )
            attributes.render(instances=batch.count)
            attributes.release()

    def _shade(self, batches: list[_Batch], own: moderngl.TextureArray, *, film: bool) -> None:
        for batch in batches:
            (own if batch.own else self._common).use(0)
            kind = "BUMP FILM" if film else "BUMP" if batch.bumpy else ""
            self._render(self._colours[kind], [batch])

    @staticmethod
    def _set(program: moderngl.Program, light: Light, camera: NDArray[np.float32], sun: Array, view: Array) -> None:
        eye = np.linalg.inv(view)[:3, 3]
        towards = -np.asarray(light.sun) / np.linalg.norm(light.sun)
        lamps = light.lamps[:MAX_LAMPS]
        places = np.zeros((MAX_LAMPS, 4), np.float32)
        colours = np.zeros((MAX_LAMPS, 3), np.float32)
        for at, (place, colour, reach) in enumerate(lamps):
            places[at] = (*place, reach)
            colours[at] = colour
        values: dict[str, Any] = {
            "layers": 0,
            "shadow": 2,
            "lamps": len(lamps),
            "eye": tuple(eye),
            "sun_towards": tuple(towards),
            "sun_colour": light.sun_colour,
            "sky": light.sky,
            "ground": light.ground,
            "softness": light.softness / SHADOW_PX,
        }
        for key, value in values.items():
            program[key].value = value  # type: ignore[union-attr]
        program["camera"].write(camera.T.tobytes())  # type: ignore[union-attr]
        program["sun"].write(sun.T.astype("f4").tobytes())  # type: ignore[union-attr]
        program["lamp_place"].write(places.tobytes())  # type: ignore[union-attr]
        program["lamp_colour"].write(colours.tobytes())  # type: ignore[union-attr]

    def _areas(
        self,
        batches: list[_Batch],
        boxes: dict[int, tuple[float, float, float, float]],
        camera: NDArray[np.float32],
        size: tuple[int, int],
    ) -> dict[int, float]:
        """Each instance alone, stretched over its own tile: the share of the tile that it fills, times its box."""
        import moderngl

        table = np.zeros((TILES * TILES, 4), np.float32)
        names = [name for name in boxes if 0 < name < TILES * TILES]
        for name in names:
            table[name] = boxes[name]
        self._boxes.write(table.tobytes())
        self._boxes.use(3)
        self._atlas.use()
        self._atlas.clear()
        self._gl.disable(moderngl.DEPTH_TEST)
        self._area["boxes"].value = 3  # type: ignore[union-attr]
        self._area["size"].value = size  # type: ignore[union-attr]
        self._area["camera"].write(camera.T.tobytes())  # type: ignore[union-attr]
        self._render(self._area, batches)
        self._gl.enable(moderngl.DEPTH_TEST)
        atlas = np.frombuffer(self._atlas.read(components=1), np.uint8).reshape(TILES, TILE, TILES, TILE)
        filled = (atlas > 0).mean(axis=(1, 3)).ravel()
        areas = {}
        for name in names:
            x0, y0, x1, y1 = boxes[name]
            areas[name] = float(filled[name]) * (x1 - x0) * (y1 - y0)
        return areas


def whole_boxes(world: World, camera: Array, size: tuple[int, int]) -> dict[int, tuple[float, float, float, float]]:
    """Box of every named instance from its projected vertices, x0, y0, x1, y1 pixels, not cut at the picture's edge."""
    width, height = size
    found: dict[int, list[Array]] = {}
    for mesh, place, _, name in world.solid:
        if name:
            at = mesh.vertices[:, :3] @ place[:3, :3].T + place[:3, 3]
            seen = at @ camera[:, :3].T + camera[:, 3]
            seen = seen[seen[:, 3] > 0.05]
            if len(seen):
                flat = seen[:, :2] / seen[:, 3:]
                found.setdefault(name, []).append(np.stack([flat.min(0), flat.max(0)]))
    boxes = {}
    for name, parts in found.items():
        low = np.min([p[0] for p in parts], axis=0)
        high = np.max([p[1] for p in parts], axis=0)
        x0, x1 = (np.clip((low[0], high[0]), -5, 5) + 1) / 2 * width
        y0, y1 = (1 - np.clip((high[1], low[1]), -5, 5)) / 2 * height
        boxes[name] = (float(x0), float(y0), float(x1), float(y1))
    return boxes


def _wanted(program: moderngl.Program, buffer: moderngl.Buffer, form: tuple[str, ...]) -> tuple[Any, ...]:
    """The buffer's format with what the program does not read as padding."""
    sizes, _, step = form[0].rpartition(" ")
    parts, names = [], []
    for size, name in zip(sizes.split(), form[1:], strict=True):
        if name in program:
            parts.append(size)
            names.append(name)
        else:
            parts.append(f"{4 * int(size[0])}x")
    return (buffer, " ".join([*parts, step]), *names)


def _softened(colour: NDArray[np.float32], depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blurred by a pixel where the depth bends or breaks, so that edges have no stairs."""
    near = 1 / np.maximum(depth, 0.05)
    bend = np.abs(cv2.Laplacian(near, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE)) / near
    edge = cv2.GaussianBlur(np.clip(bend * 40, 0, 1), (3, 3), 0.7)[..., None]
    soft = cv2.GaussianBlur(np.minimum(colour, 4), (3, 3), 0.65)
    return np.asarray(colour + np.clip(edge * 1.6, 0, 1) * (soft - colour), np.float32)


def _defined(words: str) -> str:
    return "".join(f"#define {word}\n" for word in words.split())


def _sun_matrix(light: Light) -> Array:
    """From metres to the shadow's picture."""
    ahead = np.asarray(light.sun, float) / np.linalg.norm(light.sun)
    side = np.cross(ahead, (0.0, 1.0, 0.1))
    side /= np.linalg.norm(side)
    up = np.cross(side, ahead)
    view = np.eye(4)
    view[:3, :3] = np.stack([side, up, -ahead])
    view[:3, 3] = -view[:3, :3] @ np.asarray(light.centre, float)
    scale = np.diag([1 / light.radius, 1 / light.radius, -1 / (3 * light.radius), 1.0])
    return np.asarray(scale @ view)


def _one_thread() -> None:
    """Llvmpipe draws with one thread: a training run beside it has the other cores (and a seed gives one picture)."""
    import os

    os.environ.setdefault("LP_NUM_THREADS", "1")
    os.environ.setdefault("EGL_LOG_LEVEL", "fatal")

"""What runs for each vertex and each pixel. Textures: red, green, blue as seen by an eye; alpha is height."""

VERTEX = """
#version 330
uniform mat4 camera;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv; in float in_part; in vec3 in_colour;
in vec4 row0; in vec4 row1; in vec4 row2; in vec4 tint; in vec4 uv_place; in vec4 surface;
out vec3 place; out vec3 normal; out vec2 uv; flat out float layer; out vec3 colour;
flat out vec4 material; out float distance_m;
void main() {
    vec4 local = vec4(in_position, 1.0);
    place = vec3(dot(row0, local), dot(row1, local), dot(row2, local));
    mat3 turn = transpose(mat3(row0.xyz, row1.xyz, row2.xyz));
    vec3 stretch = vec3(dot(turn[0], turn[0]), dot(turn[1], turn[1]), dot(turn[2], turn[2]));
    normal = turn * (in_normal / max(stretch, vec3(1e-9)));
    uv = in_uv * uv_place.xy + uv_place.zw;
    layer = tint.w < 0.0 ? -1.0 : tint.w + in_part - (tint.w >= 1000.0 ? 1000.0 : 0.0);
    colour = in_colour * tint.rgb;
    material = surface;
    gl_Position = camera * vec4(place, 1.0);
    distance_m = gl_Position.w;
}
"""

COLOUR_FRAGMENT = """
#version 330
//KIND
uniform sampler2DArray layers; uniform sampler2DShadow shadow;
uniform mat4 sun; uniform vec3 sun_towards; uniform vec3 sun_colour; uniform float softness;
uniform vec3 sky; uniform vec3 ground; uniform vec3 eye;
uniform int lamps; uniform vec4 lamp_place[6]; uniform vec3 lamp_colour[6];
in vec3 place; in vec3 normal; in vec2 uv; flat in float layer; in vec3 colour;
flat in vec4 material; in float distance_m;
out vec4 ink;
float lit(vec3 n) {
    vec4 at = sun * vec4(place + n * 0.02, 1.0);
    vec3 s = clamp(at.xyz * 0.5 + 0.5, vec3(-0.01), vec3(0.9999));
    float sum = texture(shadow, s + vec3(softness, 0.3 * softness, 0.0));
    sum += texture(shadow, s + vec3(-softness, -0.3 * softness, 0.0));
    sum += texture(shadow, s + vec3(-0.3 * softness, softness, 0.0));
    sum += texture(shadow, s + vec3(0.3 * softness, -softness, 0.0));
    return sum * 0.25;
}
float glinting(float cosine, float shine) {  // Schlick's stand-in for a power
    float c = max(cosine, 0.0);
    return c / (shine - shine * c + c);
}
void main() {
    vec4 texel = texture(layers, vec3(uv, max(layer, 0.0)));
    if (layer < 0.0) texel = vec4(1.0);
    vec3 n = normalize(normal);
    vec3 towards_eye = normalize(eye - place);
#ifdef BUMP
    float h = texel.a * material.z;
    vec3 px = dFdx(place), py = dFdy(place);
    vec3 r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    vec3 slope = sign(det) * (dFdx(h) * r1 + dFdy(h) * r2);
    n = normalize(max(abs(det), 1e-12) * n - slope);
#endif
#ifdef FILM
    if (dot(n, towards_eye) < 0.0) n = -n;
    vec3 albedo = vec3(0.85);
#else
    vec3 albedo = texel.rgb * texel.rgb * colour * colour;
#endif
    float shine = mix(8.0, 90.0, material.y);
    vec3 light = mix(ground, sky, 0.5 + 0.5 * n.z);
    vec3 glint = vec3(0.0);
    float facing = max(dot(n, sun_towards), 0.0);
    vec3 sunshine = sun_colour * lit(n);
    light += sunshine * facing;
    glint += sunshine * facing * glinting(dot(n, normalize(sun_towards + towards_eye)), shine);
    for (int k = 0; k < lamps; k++) {
        vec3 way = lamp_place[k].xyz - place;
        float far2 = dot(way, way);
        way *= inversesqrt(far2);
        vec3 power = lamp_colour[k] / (1.0 + far2 / (lamp_place[k].w * lamp_place[k].w));
        light += power * max(0.15 + 0.85 * dot(n, way), 0.0);
        glint += power * glinting(dot(n, normalize(way + towards_eye)), shine);
        float back = max(dot(way, towards_eye), 0.0);
        back *= back;
        back *= back;
        light += power * material.w * back * back;
    }
    float rim = 1.0 - max(dot(n, towards_eye), 0.0);
    rim *= rim;
    vec3 result = albedo * light + (glint * 1.2 + rim * rim * sky * 0.5) * material.y;
#ifdef FILM
    float cover = clamp(texel.r * colour.r, 0.0, 1.0);
    ink = vec4(result * cover + glint * texel.g * material.y * 1.5, cover);
#else
    ink = vec4(result, 1.0);
#endif
}
"""

ID_FRAGMENT = """
#version 330
flat in vec4 material; in float distance_m;
out vec2 named;
void main() { named = vec2(material.x, distance_m); }
"""

DEPTH_FRAGMENT = """
#version 330
void main() {}
"""

AREA_VERTEX = """
#version 330
uniform mat4 camera; uniform vec2 size; uniform sampler2D boxes;
in vec3 in_position; in vec4 row0; in vec4 row1; in vec4 row2; in vec4 surface;
void main() {
    vec4 local = vec4(in_position, 1.0);
    vec3 place = vec3(dot(row0, local), dot(row1, local), dot(row2, local));
    vec4 flat_ = camera * vec4(place, 1.0);
    int name = int(surface.x + 0.5);
    if (name < 1 || name > 1023 || flat_.w < 0.05) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
    vec4 box = texelFetch(boxes, ivec2(name % 32, name / 32), 0);
    vec2 pixel = vec2(flat_.x / flat_.w * 0.5 + 0.5, 0.5 - flat_.y / flat_.w * 0.5) * size;
    vec2 share = (pixel - box.xy) / max(box.zw - box.xy, vec2(1e-3));
    vec2 tile = vec2(name % 32, name / 32);
    gl_Position = vec4((tile + clamp(share, 0.0, 1.0)) / 16.0 - 1.0, 0.0, 1.0);
}
"""

ONE_FRAGMENT = """
#version 330
out vec4 one;
void main() { one = vec4(1.0); }
"""

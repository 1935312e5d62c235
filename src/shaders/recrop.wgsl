// The end of an iteration of a network whose crop follows the face: p^{k+1} = p^k + update, with the head turned in the
// picture's plane as the update says. Where another iteration follows (FOLLOWED), the crop is also made anew, upright
// round the landmarks that p^{k+1} shows, and p^{k+1} is what it was in that crop.
//
// before, update, after [N, stride] vec4: 0 = scaled quaternion; 1 = t2d, then cosine - 1 of the turn, then log-odds;
// then shape coefficients, four a vec4 (a group), the last float of them the turn's sine. The turn is clockwise as
// seen, and its floats are written as 0.
// crops: slots of `faces` records. The first slot holds the crops of the iteration that ends, and then those of the
// next; slot `slot` keeps the latter.
// mean [3, V4], basis [groups, 3, V4] words, scale [groups]: the shape of the landmarks, as decode.wgsl's.
// The crop: turned by the angle of the model's y axis from up (0 where the head is seen along it), round the middle of
// the landmarks' box as seen so, `margin` times its longer side wide. Crop and pose stay as they are where a value of p
// or of the landmarks is not finite, or the new side is not within 1/16 and 4 of the old one.
// One workgroup computes one face: workgroup id x = face. Its invocations share the vec4s of p and the landmarks.

//#include "lib/shape.wgsl"
//#if FOLLOWED
//#include "lib/crop.wgsl"
//#endif

const THREADS = 128u;
//#if FOLLOWED
const FOLD = 8u;
//#endif

struct Params {
  // vec4s of one face's parameters
  stride: u32,
  size: u32,
  landmarks: u32,
  // V4
  blocks: u32,
  // Side of the crop over that of the landmarks' box.
  margin: f32,
  // Texels from one sample of a crop to the next, at most, and samples an axis, at most.
  spacing: f32,
  most_taps: u32,
  faces: u32,
  slot: u32,
}

@group(0) @binding(0) var<storage, read> before: array<vec4f>;
@group(0) @binding(1) var<storage, read> update: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> after: array<vec4f>;
//#if FOLLOWED
@group(0) @binding(3) var<storage, read_write> crops: array<Crop>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> basis: array<u32>;
@group(0) @binding(6) var<storage, read> scale: array<vec4f>;
//#endif
@group(1) @binding(0) var<uniform> params: Params;

fn sum_of(face: u32, part: u32) -> vec4f {
  let at = face * params.stride + part;
  return before[at] + update[at];
}

// A vec4 of the shape, without the turn's sine.
fn shape_of(face: u32, part: u32) -> vec4f {
  let p = sum_of(face, part);
  return select(p, vec4f(p.xyz, 0.0), part == params.stride - 1);
}

// As bits, because a compiler may assume that no f32 is infinite or NaN.
fn is_finite(v: vec4f) -> bool {
  return all((bitcast<vec4u>(v) & vec4u(0x7f800000u)) < vec4u(0x7f800000u));
}

// Cosine and sine of half of the angle with this cosine and sine, which is taken from -180 to 180 degrees. Never by the
// difference of nearly equal numbers.
fn half_of(turn: vec2f) -> vec2f {
  let larger = sqrt((1.0 + abs(turn.x)) * 0.5);
  let smaller = 0.5 * turn.y / larger;
  let flat = vec2f(larger, smaller);
  let steep = vec2f(abs(smaller), select(-larger, larger, turn.y >= 0.0));
  return select(steep, flat, turn.x >= 0.0);
}

// q (x) (cos, 0, 0, sin): the head turned clockwise as seen, by twice this angle.
fn turned(q: vec4f, half: vec2f) -> vec4f {
  return q * half.x + vec4f(-q.w, q.z, -q.y, q.x) * half.y;
}

// Rot(angle) v where y points down, of the angle with this cosine and sine.
fn rotated(v: vec2f, turn: vec2f) -> vec2f {
  return vec2f(turn.x * v.x - turn.y * v.y, turn.y * v.x + turn.x * v.y);
}

struct Pose {
  q: vec4f,
  // t2d, 0, log-odds
  t: vec4f,
}

// After the update's turn.
fn pose_of(face: u32) -> Pose {
  let q = sum_of(face, 0);
  let t = sum_of(face, 1);
  let direction = vec2f(1.0 + t.z, sum_of(face, params.stride - 1).w);
  let length_squared = dot(direction, direction);
  let is_turn = (length_squared > 0.0) & is_finite(vec4f(length_squared));
  let turn = direction * inverseSqrt(select(1.0, length_squared, is_turn));
  return Pose(turned(q, half_of(select(vec2f(1.0, 0.0), turn, is_turn))), vec4f(t.xy, 0.0, t.w));
}

//#if FOLLOWED
// Of each invocation, then of FOLD of them: smallest x and y, smallest -x and -y; and whether something is not finite.
var<workgroup> boxes: array<vec4f, THREADS>;
var<workgroup> faults: array<u32, THREADS>;

// In crop pixels, y down.
fn landmark(face: u32, index: u32, rotation: Rotation, t: vec4f) -> vec2f {
  let axis = 4 * params.blocks;
  var shape = vec3f(mean[index], mean[index + axis], mean[index + 2 * axis]);
  for (var part = 2u; part < params.stride; part++) {
    let c = shape_of(face, part) * scale[part - 2];
    let at = (part - 2) * 3 * axis + index;
    shape += vec3f(offset_of(basis[at], c), offset_of(basis[at + axis], c), offset_of(basis[at + 2 * axis], c))
      - dot(c, EXCESS);
  }
  let point = vec2f(dot(shape, rotation.r0), dot(shape, rotation.r1)) + t.xy;
  return vec2f(point.x, f32(params.size) - 1.0 - point.y);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let face = group.x;
  let size = f32(params.size);
  let middle = vec2f((size - 1.0) * 0.5);
  let pose = pose_of(face);
  let rotation = rotation_of(pose.q);
  let up = vec2f(rotation.r1.y, rotation.r0.y);
  let f = dot(pose.q, pose.q);
  let is_seen = dot(up, up) > 1e-6 * f * f;
  let roll = select(vec2f(1.0, 0.0), up * inverseSqrt(select(1.0, dot(up, up), is_seen)), is_seen);
  let back = vec2f(roll.x, -roll.y);

  var box = vec4f(1e30);
  var fault = 0u;
  for (var i = local; i < params.landmarks; i += THREADS) {
    let v = rotated(landmark(face, i, rotation, pose.t) - middle, back);
    fault |= select(1u, 0u, is_finite(vec4f(v, 0.0, 0.0)));
    box = min(box, vec4f(v, -v));
  }
  for (var part = local; part < params.stride; part += THREADS) {
    fault |= select(1u, 0u, is_finite(sum_of(face, part)));
  }
  boxes[local] = box;
  faults[local] = fault;
  workgroupBarrier();
  // Invocation t < FOLD folds t, t + FOLD, ...: slot t, which it then overwrites, is read by no other.
  if (local < FOLD) {
    for (var other = local + FOLD; other < THREADS; other += FOLD) {
      box = min(box, boxes[other]);
      fault |= faults[other];
    }
    boxes[local] = box;
    faults[local] = fault;
  }
  workgroupBarrier();
  var tight = boxes[0];
  var is_faulty = faults[0];
  for (var other = 1u; other < FOLD; other++) {
    tight = min(tight, boxes[other]);
    is_faulty |= faults[other];
  }
  let side = params.margin * max(-tight.z - tight.x, -tight.w - tight.y);
  // What is not finite compares as anything.
  let is_followed = (is_faulty == 0) & (side * 16.0 >= size) & (side <= 4.0 * size);
  let centre = middle + rotated((tight.xy - tight.zw) * 0.5, roll);

  for (var part = local; part < params.stride; part += THREADS) {
    var p: vec4f;
    if (part >= 2) {
      p = shape_of(face, part);
    } else if (part == 0) {
      // The next update is added to it, so that its sign must not depend on the way that the head came: upright it has
      // q0 > 0.
      let q = turned(pose.q, half_of(back)) * sqrt(size / side);
      p = select(pose.q, select(q, -q, q.x < 0.0), is_followed);
    } else {
      let point = vec2f(pose.t.x, size - 1.0 - pose.t.y) - centre;
      let moved = middle + rotated(point, back) * (size / side);
      p = vec4f(select(pose.t.xy, vec2f(moved.x, size - 1.0 - moved.y), is_followed), pose.t.zw);
    }
    after[face * params.stride + part] = p;
  }
  if (local == 0) {
    var crop = crops[face];
    if (is_followed) {
      let growth = side / size;
      let next_right = (crop.right * roll.x + crop.down * roll.y) * growth;
      let next_down = (crop.down * roll.x - crop.right * roll.y) * growth;
      crop.origin = in_frame(crop, centre) - middle.x * (next_right + next_down);
      crop.right = next_right;
      crop.down = next_down;
      let step = max(length(next_right), length(next_down));
      crop.taps = clamp(u32(ceil(step / params.spacing)), 1u, params.most_taps);
    }
    crops[face] = crop;
    crops[params.slot * params.faces + face] = crop;
  }
}
//#else
@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let face = group.x;
  let pose = pose_of(face);
  for (var part = local; part < params.stride; part += THREADS) {
    var p: vec4f;
    if (part >= 2) {
      p = shape_of(face, part);
    } else {
      p = select(pose.t, pose.q, part == 0);
    }
    after[face * params.stride + part] = p;
  }
}
//#endif

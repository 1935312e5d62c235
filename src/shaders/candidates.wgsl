// Picks the anchors of one head of a single-shot detector whose score reaches a threshold, and appends what the head says of them to a list.
//
// An anchor is one of `anchors` at the centre of each of columns x rows cells of the network's input. Its values are offsets in input pixels: x, y,
// width, height of a box, then x, y of six points; x and y count from the cell's centre.
//
// scores [N, rows, columns, anchors] in `score_blocks` vec4, before the sigmoid; boxes [N, rows, columns, anchors * 16] vec4
// items [N]: the crop records (crop.wgsl), of which only the tag is read: it says which item of the whole frame this is
// list: a counter, then candidates in no certain order; positions are input pixels from the picture's left upper border
//
// One invocation looks at one anchor: global id x = (row * columns + column) * anchors + anchor, y = item.
// The host guarantees that the list has room for every anchor of every item of a frame. A score that is no number reaches no threshold.

struct Params {
  columns: u32,
  anchors: u32,
  // columns * rows * anchors
  count: u32,
  score_blocks: u32,
  // Anchors of the heads before this one.
  first: u32,
  // Input pixels from one cell to the next.
  step: f32,
  threshold: f32,
}

struct Item {
  crop: array<u32, 9>,
  tag: u32,
}

struct Candidate {
  tag: u32,
  anchor: u32,
  score: f32,
  padding: u32,
  values: array<vec4f, 4>,
}

struct List {
  count: atomic<u32>,
  padding: array<u32, 3>,
  candidates: array<Candidate>,
}

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(2) var<storage, read> items: array<Item>;
@group(0) @binding(3) var<storage, read_write> list: List;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) {
    return;
  }
  let cell = id.x / params.anchors;
  let anchor = id.x - cell * params.anchors;
  let row = cell / params.columns;
  let column = cell - row * params.columns;
  let cells = params.count / params.anchors;
  let score = scores[(id.y * cells + cell) * params.score_blocks + anchor / 4u][anchor % 4u];
  if (score >= params.threshold) {
    let centre = (vec2f(f32(column), f32(row)) + 0.5) * params.step;
    let start = (id.y * params.count + id.x) * 4u;
    let slot = atomicAdd(&list.count, 1u);
    list.candidates[slot].tag = items[id.y].tag;
    list.candidates[slot].anchor = params.first + id.x;
    list.candidates[slot].score = score;
    list.candidates[slot].padding = 0u;
    list.candidates[slot].values[0] = boxes[start] + vec4f(centre, 0.0, 0.0);
    list.candidates[slot].values[1] = boxes[start + 1u] + vec4f(centre, centre);
    list.candidates[slot].values[2] = boxes[start + 2u] + vec4f(centre, centre);
    list.candidates[slot].values[3] = boxes[start + 3u] + vec4f(centre, centre);
  }
}

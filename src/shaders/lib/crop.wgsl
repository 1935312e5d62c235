// Where a crop lies in the frame.

struct Crop {
  // Frame coordinates (texel centres at integers) of the centre of crop pixel (0, 0), and from one crop pixel to the
  // next in its row and in its column.
  origin: vec2f,
  right: vec2f,
  down: vec2f,
  // The picture within the frame, in texels.
  width: u32,
  height: u32,
  // Samples an axis that a crop pixel averages.
  taps: u32,
  // The caller's; no kernel that samples reads it.
  tag: u32,
}

// Where a point of the crop lies in the frame.
fn in_frame(crop: Crop, point: vec2f) -> vec2f {
  return crop.origin + point.x * crop.right + point.y * crop.down;
}

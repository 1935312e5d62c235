// Activations at the end of a kernel, chosen when the pipeline is compiled.

// 0 none, 1 ReLU, 2 PReLU, 3 sigmoid (the order of ACTIVATIONS in src/engine/kernels/common.ts).
override ACTIVATION: u32 = 0u;

// `slope` is read by PReLU only: the factor of negative values, per channel.
fn activate(value: vec4f, slope: vec4f) -> vec4f {
  if (ACTIVATION == 1u) {
    return max(value, vec4f(0.0));
  }
  if (ACTIVATION == 2u) {
    return max(value, vec4f(0.0)) + slope * min(value, vec4f(0.0));
  }
  if (ACTIVATION == 3u) {
    // The exponent is never positive, so nothing overflows.
    let e = exp(-abs(value));
    return select(e, vec4f(1.0), value >= vec4f(0.0)) / (1.0 + e);
  }
  return value;
}

// Padding channels are written as 0 whatever the activation makes of them (sigmoid(0) is not 0).
fn zero_padding(value: vec4f, c4: u32, channels: u32) -> vec4f {
  return select(vec4f(0.0), value, vec4u(c4 * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(channels));
}

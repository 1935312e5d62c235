// Activations at the end of a kernel, chosen when the pipeline is compiled.

// 0 none, 1 ReLU, 2 PReLU, 3 sigmoid, 4 tanh, 5 SiLU, 6 ReLU6, 7 hard sigmoid, 8 hard swish (the order of ACTIVATIONS
// in src/engine/kernels/common.ts).
override ACTIVATION: u32 = 0u;

// The exponent is never positive, so nothing overflows.
fn sigmoid(value: vec4f) -> vec4f {
  let e = exp(-abs(value));
  return select(e, vec4f(1.0), value >= vec4f(0.0)) / (1.0 + e);
}

fn hard_sigmoid(value: vec4f) -> vec4f {
  return saturate(value / 6.0 + 0.5);
}

// `slope` is read by PReLU only: the factor of negative values, per channel.
fn activate(value: vec4f, slope: vec4f) -> vec4f {
  if (ACTIVATION == 1u) {
    return max(value, vec4f(0.0));
  }
  if (ACTIVATION == 2u) {
    return max(value, vec4f(0.0)) + slope * min(value, vec4f(0.0));
  }
  if (ACTIVATION == 3u) {
    return sigmoid(value);
  }
  if (ACTIVATION == 4u) {
    // WGSL's own overflows where sinh and cosh do.
    return 2.0 * sigmoid(2.0 * value) - 1.0;
  }
  if (ACTIVATION == 5u) {
    return value * sigmoid(value);
  }
  if (ACTIVATION == 6u) {
    return clamp(value, vec4f(0.0), vec4f(6.0));
  }
  if (ACTIVATION == 7u) {
    return hard_sigmoid(value);
  }
  if (ACTIVATION == 8u) {
    return value * hard_sigmoid(value);
  }
  return value;
}

// Padding channels are written as 0 whatever the activation makes of them (sigmoid(0) is not 0).
fn zero_padding(value: vec4f, c4: u32, channels: u32) -> vec4f {
  return select(vec4f(0.0), value, vec4u(c4 * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(channels));
}

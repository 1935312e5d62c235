/**
 * The operators of the detector's network: those of the engine, of which a GPU in software computes the detector's
 * layers by kernels that are faster there.
 */
import { LAYER_KINDS } from '../engine/network/kinds.js';
import type { LayerKind } from '../engine/network/layer.js';
import { fitsDepthwiseStrips, recordDepthwiseStrips } from './kernels/depthwiseStrips.js';
import { fitsPointwise, recordPointwise } from './kernels/pointwise.js';
import { fitsStem, recordStem } from './kernels/stem.js';

export const DETECTOR_KINDS: readonly LayerKind[] = LAYER_KINDS.map((kind): LayerKind => {
  if (kind.op === 'conv2d') {
    return {
      ...kind,
      record(builder, names, spec, tensors) {
        const { adapter, features } = builder.gpu;
        if (adapter.isSoftware && fitsPointwise(spec)) recordPointwise(builder, names, spec, tensors);
        else if (adapter.isSoftware && features.has('subgroups') && fitsStem(spec)) {
          recordStem(builder, names, spec, tensors);
        } else kind.record(builder, names, spec, tensors);
      },
    } satisfies typeof kind;
  }
  if (kind.op === 'depthwiseConv2d') {
    return {
      ...kind,
      record(builder, names, spec, tensors) {
        const fits = builder.gpu.adapter.isSoftware && fitsDepthwiseStrips(spec);
        (fits ? recordDepthwiseStrips : kind.record)(builder, names, spec, tensors);
      },
    } satisfies typeof kind;
  }
  return kind;
});

/** Mean of every channel: the average pool whose window is the whole input. */
import { type PoolSpec, poolKind } from '../../engine/kernels/pool.js';
import type { LayerKind } from '../../engine/network/layer.js';
import type { InputField, LayerFields } from '../../engine/network/reader.js';

/** To one pixel. */
export interface GlobalAveragePoolLayer extends LayerFields<'globalAveragePool'>, InputField {}

export const globalAveragePoolKind: LayerKind<'pool', PoolSpec, GlobalAveragePoolLayer> = {
  ...poolKind,
  names: ['globalAveragePool'],
  read(layer) {
    const { name, shape } = layer.input();
    const kernel = [shape.height, shape.width] as const;
    return { inputs: [name], spec: { input: shape, mode: 'average', kernel, stride: kernel, padding: [0, 0, 0, 0] } };
  },
};

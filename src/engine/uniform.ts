/**
 * Uniform structs. In this project a WGSL uniform struct holds 32-bit scalars only, so its layout is its list of
 * fields, 4 bytes each: there is no alignment rule to get wrong, and a test compares every list with the WGSL it speaks
 * of.
 */

import { InputError } from './errors.js';
import { show } from './show.js';

/** Type of a member. */
export type UniformScalar = 'u32' | 'i32' | 'f32';

/** A WGSL struct of scalars, and the packer for it. */
export class UniformStruct<Name extends string> {
  /** Members in the order of the WGSL. */
  readonly fields: readonly (readonly [name: Name, type: UniformScalar])[];
  /** Size of the struct, 4 bytes a member. */
  readonly byteLength: number;

  /** @param fields name and type of each member, in the order of the WGSL struct */
  constructor(fields: Readonly<Record<Name, UniformScalar>>) {
    const list: [Name, UniformScalar][] = [];
    for (const name in fields) list.push([name, fields[name]]);
    this.fields = list;
    this.byteLength = list.length * 4;
  }

  /** @throws InputError where a value is not a finite number or does not fit its type. */
  pack(values: Readonly<Record<Name, number>>): Uint8Array<ArrayBuffer> {
    const view = new DataView(new ArrayBuffer(this.byteLength));
    for (const [index, [name, type]] of this.fields.entries()) {
      const value = values[name];
      const fits =
        type === 'f32'
          ? Number.isFinite(value)
          : Number.isInteger(value) && (type === 'u32' ? value >= 0 && value < 2 ** 32 : Math.abs(value) < 2 ** 31);
      if (!fits) throw new InputError(`Uniform field '${name}' is ${show(value)}; wanted a finite ${type}.`);
      if (type === 'f32') view.setFloat32(index * 4, value, true);
      else if (type === 'u32') view.setUint32(index * 4, value, true);
      else view.setInt32(index * 4, value, true);
    }
    return new Uint8Array(view.buffer);
  }
}

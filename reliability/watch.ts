/** Counts GPU buffers and textures that are alive on the page, by replacing methods of WebGPU's prototypes. */

interface Destroyable {
  destroy(): undefined;
}

export class ResourceWatch {
  /** Made and not destroyed, whether or not anybody still holds them. */
  readonly alive = { buffers: 0, textures: 0, bytes: 0 };
  readonly #restore: (() => void)[] = [];

  constructor() {
    const { alive } = this;
    const bytes = new WeakMap<Destroyable, number>();
    const wrap = <A extends unknown[], R extends Destroyable>(
      owner: GPUDevice,
      method: 'createBuffer' | 'createTexture',
      sizeOf: (made: R) => number,
      count: (change: number, size: number) => void,
      type: { readonly prototype: R },
    ): void => {
      const original: unknown = Reflect.get(owner, method);
      const destroy: unknown = Reflect.get(type.prototype, 'destroy');
      if (typeof original !== 'function' || typeof destroy !== 'function') throw new Error(`there is no ${method}`);
      Reflect.set(owner, method, function (this: GPUDevice, ...args: A): R {
        const made: R = Reflect.apply(original, this, args);
        bytes.set(made, sizeOf(made));
        count(1, sizeOf(made));
        return made;
      });
      Reflect.set(type.prototype, 'destroy', function (this: R): undefined {
        const size = bytes.get(this);
        if (bytes.delete(this)) count(-1, -(size ?? 0));
        return Reflect.apply(destroy, this, []);
      });
      this.#restore.push(() => {
        Reflect.set(owner, method, original);
        Reflect.set(type.prototype, 'destroy', destroy);
      });
    };
    const device = GPUDevice.prototype;
    wrap<[], GPUBuffer>(
      device,
      'createBuffer',
      ({ size }) => size,
      (change, size) => {
        alive.buffers += change;
        alive.bytes += size;
      },
      GPUBuffer,
    );
    wrap<[], GPUTexture>(
      device,
      'createTexture',
      ({ width, height }) => width * height * 4,
      (change) => {
        alive.textures += change;
      },
      GPUTexture,
    );
  }

  stop(): void {
    for (const restore of this.#restore) restore();
  }
}

/** GPU errors of `device` that no scope caught. */
export function listenToErrors(device: GPUDevice): { readonly errors: readonly string[] } {
  const errors: string[] = [];
  device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  return { errors };
}

/** A film of what canvases show, side by side. */

/** Pictures a second. */
const rate = 30;

const types = ['video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm'] as const;

export class Film {
  readonly #canvas = document.createElement('canvas');
  readonly #context: CanvasRenderingContext2D;
  readonly #recorder: MediaRecorder;
  readonly #parts: Blob[] = [];
  readonly #sources: readonly HTMLCanvasElement[];

  /** @throws Error where the browser cannot record WebM. */
  constructor(sources: readonly HTMLCanvasElement[]) {
    this.#sources = sources.filter(({ width, height }) => width > 0 && height > 0);
    const height = Math.max(...this.#sources.map((source) => source.height));
    // Video codecs want even sides.
    this.#canvas.height = height & ~1;
    this.#canvas.width = this.#sources.reduce((sum, { width }) => sum + width, 0) & ~1;
    const context = this.#canvas.getContext('2d');
    const mimeType = types.find((type) => 'MediaRecorder' in window && MediaRecorder.isTypeSupported(type));
    if (context === null || mimeType === undefined) throw new Error('this browser cannot record WebM videos');
    this.#context = context;
    this.add();
    this.#recorder = new MediaRecorder(this.#canvas.captureStream(rate), { mimeType, videoBitsPerSecond: 8e6 });
    this.#recorder.addEventListener('dataavailable', ({ data }) => this.#parts.push(data));
    this.#recorder.start(1000);
  }

  /** Takes what is drawn now. */
  add(): void {
    const { width, height } = this.#canvas;
    this.#context.fillStyle = getComputedStyle(document.body).backgroundColor;
    this.#context.fillRect(0, 0, width, height);
    let x = 0;
    for (const source of this.#sources) {
      this.#context.drawImage(source, x, 0);
      x += source.width;
    }
  }

  async finish(): Promise<Blob> {
    const stopped = new Promise((resolve) => this.#recorder.addEventListener('stop', resolve, { once: true }));
    this.#recorder.stop();
    await stopped;
    for (const track of this.#recorder.stream.getTracks()) track.stop();
    return new Blob(this.#parts, { type: 'video/webm' });
  }
}

import { exitCodes } from './options.js';

/** Ends the session on Ctrl-C or a termination signal, so that what runs rejects and the results so far are written. */
export class Interrupt {
  happened = false;
  #close: (() => void) | undefined;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        // The second Ctrl-C does not wait.
        if (this.happened) process.exit(exitCodes.interrupted);
        this.happened = true;
        this.#close?.();
      });
    }
  }

  onInterrupt(close: () => void): void {
    this.#close = close;
    if (this.happened) close();
  }
}

/** GPU cases that a browser cannot run, and why. The tests print this list, and fail where one of them can. */
import type { BrowserName } from '../../scripts/browser.js';

export interface LeftOut {
  /** Of "suite > case". */
  readonly cases: RegExp;
  readonly reason: string;
}

export const leftOut: Readonly<Record<BrowserName, readonly LeftOut[]>> = {
  chromium: [],
  firefox: [
    {
      cases: /^(conv2d > .*, (wide|quads( of halves)?)|pointwise > .*, quads|stem > .*)$/,
      reason:
        'naga does not know subgroups (https://github.com/gfx-rs/wgpu/issues/5555); no kernel for Firefox wants them',
    },
  ],
};

export function isLeftOut(browser: BrowserName, suite: string, name: string): boolean {
  return leftOut[browser].some(({ cases }) => cases.test(`${suite} > ${name}`));
}

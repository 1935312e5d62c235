/** What the page and its server both know of downloads that go wrong. */

/** Ways in which a download goes wrong, and the error's code that the caller must see. `none` goes right. */
export const NETWORK_FAULTS = {
  short: 'bad-weights',
  long: 'bad-weights',
  'other-bytes': 'bad-weights',
  missing: 'bad-weights',
  'server-error': 'bad-weights',
  page: 'bad-weights',
  'cut-off': 'bad-weights',
  'cut-off-manifest': 'bad-weights',
  'other-host': 'bad-weights',
  slow: 'aborted',
  none: undefined,
} as const;

export type Fault = keyof typeof NETWORK_FAULTS;

export const isFault = (name: string): name is Fault => Object.hasOwn(NETWORK_FAULTS, name);

/** Where the server has the small weights, with this fault. */
export const manifestOf = (fault: Fault): string => `/reliability/weights/${fault}/manifest.json`;

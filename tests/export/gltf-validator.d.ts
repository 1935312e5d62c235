declare module 'gltf-validator' {
  export interface Report {
    readonly issues: {
      readonly numErrors: number;
      readonly numWarnings: number;
      readonly numInfos: number;
      readonly messages: readonly unknown[];
    };
    readonly info: Readonly<Record<string, unknown>>;
  }
  export function validateBytes(file: Uint8Array): Promise<Report>;
}

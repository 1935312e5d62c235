// wgsl_reflect declares types for its main entry only, which Node cannot load as a module; this is the one that it can.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}

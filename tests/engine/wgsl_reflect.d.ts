// The package's CommonJS entry is what its types describe; Node needs the module build, which has the same exports.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}

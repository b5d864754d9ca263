/** The contract of flicker, the log shipper: what it can be told, what it needs, what it reports. */
export * from './calls';
export * from './config';
export * from './destinations';
export * from './json-schema';
export * from './masking';
export * from './observability';
export * from './presets';
export * from './presets/resolve';
export * from './settings';
export * from './sources';
export * from './status';
export * from './stop';
export * from './warnings';

export * from './api';
export type { ParseJsonConfig } from './common';
export * from './docker';
export * from './log-files';
export * from './long-lines';
export type { MultilineConfig } from './multiline';

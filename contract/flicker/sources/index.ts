export * from './api';
export * from './log-files';

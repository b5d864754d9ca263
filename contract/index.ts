export * from './aws';
export * from './core';
export * from './delivery';
export * from './flicker';
export * from './high-availability';
export * from './program';
export * from './registry';
export * from './settings';

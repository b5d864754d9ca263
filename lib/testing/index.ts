/** Helpers for tests of your own stacks. */
export { normalizedTemplate } from './normalized-template';

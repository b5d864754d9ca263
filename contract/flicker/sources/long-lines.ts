/**
 * A line of more than `bytes` bytes is shipped in parts of that many. Each part but the last ends with `continues`, each
 * but the first begins with `continued`.
 */
export const longLines = { bytes: 1024 ** 2, continues: '…[continues]', continued: '[continued]…' } as const;

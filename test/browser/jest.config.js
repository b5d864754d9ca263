const base = require('../../jest.config');

/** Tests in a real browser: `npm run test:browser`. */
module.exports = {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/browser/**/*.browser.ts'],
  maxWorkers: 1,
  testTimeout: 60_000,
};

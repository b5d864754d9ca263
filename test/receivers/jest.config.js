/** The tests that need receivers which are programs of their own: npm run test:receivers. */
module.exports = {
  ...require('../../jest.config.js'),
  rootDir: '../..',
  testMatch: ['<rootDir>/test/receivers/**/*.receiver.ts'],
  testTimeout: 60_000,
  maxWorkers: 1,
};

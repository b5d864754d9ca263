/** The tests that need programs of Kubernetes: npm run test:cluster and test:charts. */
module.exports = {
  ...require('../../jest.config.js'),
  rootDir: '../..',
  testMatch: ['<rootDir>/test/cluster/**/*.cluster.ts'],
  testTimeout: 60_000,
  maxWorkers: 1,
};

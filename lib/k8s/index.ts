/** cdk8s charts for workloads that keep no state in their containers. There is none in this version. */
export {};

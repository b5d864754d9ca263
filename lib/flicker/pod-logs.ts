/** Where the kubelet keeps the logs of a node's pods. */
export const POD_LOGS = '/var/log/pods';

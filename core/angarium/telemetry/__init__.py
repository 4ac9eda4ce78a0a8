"""What operators of the system see of a process: JSON logs, Prometheus metrics, probes."""

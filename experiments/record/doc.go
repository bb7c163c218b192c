// Package record keeps a training run as a folder that is complete or says
// that it is not.
//
//	run.json                  what was asked, on what, and how it ended (Run)
//	config.yaml               the resolved configuration
//	adapters.json             what the configuration came to for each linear map
//	metrics.jsonl             the live log, one metric a line (Log)
//	metrics.parquet           the same rows as a table, at the end of the run:
//	                          duckdb.sql("from 'RUN/metrics.parquet'"), pandas.read_parquet(…)
//	events.out.tfevents.*     the same rows for TensorBoard, at the end of the run
//	adapter/                  the trained adapter
//	checkpoint.safetensors    the state to continue from, while the run lasts
//
// run.json is written when the run starts, with the status "running", and last
// of all when it ends: its status is the only word on whether the folder is
// complete. Every file is written whole or not at all (WriteFile); the one
// exception is the log, which is appended to and whose readers ignore a torn
// last line.
package record

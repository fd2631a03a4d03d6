"""The ground floor: clock, durable files, threads and tasks, log, errors. Imports no other room."""

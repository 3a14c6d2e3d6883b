/** Reads the state segment, from any thread, without ever disturbing its writer. */
import {
  configurationFields,
  jobFields,
  serverConfigurationFields,
  serverFields,
  type JobState,
  type LiveConfiguration,
  type ServerConfiguration,
  type ServerState,
} from "./layout.ts";
import { readRecord } from "./record.ts";
import { checkIndex, type StateSegment } from "./segment.ts";

export interface StateReader {
  configuration(): LiveConfiguration;
  serverConfiguration(index: number): ServerConfiguration;
  server(index: number): ServerState;
  job(index: number): JobState;
}

export function openStateReader(segment: StateSegment): StateReader {
  const { cells, plan, shape } = segment;
  return {
    configuration: () => readRecord(cells, plan.configuration, configurationFields),
    serverConfiguration(index) {
      checkIndex("servers", index, shape);
      return readRecord(cells, plan.serverConfiguration(index), serverConfigurationFields);
    },
    server(index) {
      checkIndex("servers", index, shape);
      return readRecord(cells, plan.server(index), serverFields);
    },
    job(index) {
      checkIndex("jobs", index, shape);
      return readRecord(cells, plan.job(index), jobFields);
    },
  };
}

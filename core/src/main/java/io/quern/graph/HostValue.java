package io.quern.graph;

import java.lang.foreign.MemorySegment;

/** A small tensor whose elements the application computes anew for each run of a plan. */
@FunctionalInterface
public interface HostValue {
  /** Writes the elements in row-major order and native byte order. */
  void write(MemorySegment elements);
}

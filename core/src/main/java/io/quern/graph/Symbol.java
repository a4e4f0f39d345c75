package io.quern.graph;

import io.quern.backend.Buffer;

/** Stands for the memory of a tensor that is being traced: it has a place in a graph, no value. */
public final class Symbol extends Buffer {
  private final Trace trace;
  private Value value;

  Symbol(Trace trace, Value value) {
    this.trace = trace;
    this.value = value;
  }

  Trace trace() {
    return trace;
  }

  Value value() {
    return value;
  }

  /** Another value from now on: the tensor was written into. */
  void assign(Value now) {
    value = now;
  }

  @Override
  public long byteSize() {
    return value.spec().byteSize();
  }

  @Override
  public long address() {
    throw new IllegalStateException(
        "compile: a tensor "
            + value.spec()
            + " made inside of a traced function has no value; return it from the function, or use"
            + " it only there");
  }

  @Override
  public void release() {}
}

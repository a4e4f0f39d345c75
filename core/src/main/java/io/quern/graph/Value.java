package io.quern.graph;

import io.quern.Tensor;
import io.quern.op.TensorSpec;
import java.util.List;

/** What an op of a {@link Graph} consumes. */
public sealed interface Value {
  /** Element type and shape. */
  TensorSpec spec();

  /** An argument of the function, by position. */
  record Input(int index, TensorSpec spec) implements Value {}

  /** An output of an op of the graph. */
  record Result(Node node, int index) implements Value {
    @Override
    public TensorSpec spec() {
      return node.outputs().get(index);
    }
  }

  /** A number of the application that is read again in every run. */
  final class Host implements Value {
    private final TensorSpec spec;
    private final HostValue source;

    Host(TensorSpec spec, HostValue source) {
      this.spec = spec;
      this.source = source;
    }

    @Override
    public TensorSpec spec() {
      return spec;
    }

    /** Gives the value of a run. */
    public HostValue source() {
      return source;
    }
  }

  /** A tensor that existed before the graph, such as a weight, or follows from such tensors. */
  final class Captured implements Value {
    private final Tensor tensor;
    private final List<Tensor> sources;
    private final boolean changing;

    Captured(Tensor tensor) {
      this(tensor, List.of(), false);
    }

    Captured(Tensor tensor, List<Tensor> sources) {
      this(tensor, sources, false);
    }

    private Captured(Tensor tensor, List<Tensor> sources, boolean changing) {
      this.tensor = tensor;
      this.sources = List.copyOf(sources);
      this.changing = changing;
    }

    /** The same tensor, of which it is known that it changes from run to run. */
    Captured asChanging() {
      return new Captured(tensor, sources, true);
    }

    /**
     * Whether it changes from run to run, so that nothing should be computed from it beforehand.
     */
    boolean isChanging() {
      return changing;
    }

    /** The tensors it was computed from; when one of them changes, it is out of date. */
    public List<Tensor> sources() {
      return sources;
    }

    @Override
    public TensorSpec spec() {
      return tensor.spec();
    }

    /** The tensor itself, not a copy. */
    public Tensor tensor() {
      return tensor;
    }
  }
}

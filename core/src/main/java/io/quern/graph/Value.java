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
    private final boolean computed;

    Captured(Tensor tensor) {
      this(tensor, List.of());
    }

    Captured(Tensor tensor, List<Tensor> sources) {
      this(tensor, sources, false, false);
    }

    private Captured(Tensor tensor, List<Tensor> sources, boolean changing, boolean computed) {
      this.tensor = tensor;
      this.sources = List.copyOf(sources);
      this.changing = changing;
      this.computed = computed;
    }

    /** A tensor that was computed for one graph, whose plan closes it. */
    static Captured computed(Tensor tensor, List<Tensor> sources) {
      return new Captured(tensor, sources, false, true);
    }

    /** Whether it was computed for this graph alone. */
    public boolean isComputed() {
      return computed;
    }

    /** The same tensor, of which it is known that it changes from run to run. */
    Captured asChanging() {
      return new Captured(tensor, sources, true, computed);
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

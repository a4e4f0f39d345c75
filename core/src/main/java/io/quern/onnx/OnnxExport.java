package io.quern.onnx;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.grad.Tape;
import io.quern.graph.Graph;
import io.quern.graph.Node;
import io.quern.graph.Recognise;
import io.quern.graph.Trace;
import io.quern.graph.Value;
import io.quern.io.AtomicFile;
import io.quern.nn.Module;
import io.quern.onnx.ExportGraph.Term;
import io.quern.op.TensorSpec;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Writes models of the ONNX format, in version {@value #OPSET} of its operators, which ONNX Runtime
 * knows since 1.18.
 *
 * {@snippet :
 * OnnxExport.of(model, new TensorSpec(DType.F32, Shape.of(1, 28, 28)))
 *     .inputs("image")
 *     .outputs("scores")
 *     .write(Path.of("model.onnx"));
 * }
 *
 * <p>The function is traced as by {@link io.quern.Quern#compile}; tensors that it refers to become
 * constants of the file. Other engines round in other places, and what their conversions from
 * floats to integers give out of range, or their maxima of NaN, is theirs.
 *
 * <p>An open batch is one whose size is not in the file. The function is traced at several sizes,
 * which must give the same steps with sizes that grow with the batch; that it treats all others
 * alike, without branches on the size, is the caller's word.
 */
public final class OnnxExport {
  /** Version of the operators. */
  public static final int OPSET = 21;

  /** Protobuf messages have less than 2 GiB; this leaves room for all but elements. */
  private static final long MOST_INSIDE = Integer.MAX_VALUE - (64L << 20);

  private final Function<List<Tensor>, List<Tensor>> function;
  private final Map<String, Tensor> weights;
  private List<TensorSpec> specs;
  private List<String> inputs = List.of();
  private List<String> outputs = List.of();
  private @Nullable String batch;
  private boolean external;

  private OnnxExport(
      Function<List<Tensor>, List<Tensor>> function,
      Map<String, Tensor> weights,
      List<TensorSpec> specs) {
    this.function = function;
    this.weights = weights;
    this.specs = List.copyOf(specs);
  }

  /**
   * A model in inference mode, without dropout and with the running statistics of batch norms, for
   * batches of any size. Its weights keep their names.
   *
   * @param example dtype and shape of one example, without the batch dimension
   */
  public static OnnxExport of(Module model, TensorSpec example) {
    Map<String, Tensor> weights = new LinkedHashMap<>(model.parameters());
    weights.putAll(model.buffers());
    return new OnnxExport(
            tensors -> List.of(model.forward(tensors.getFirst())),
            weights,
            List.of(example.with(example.shape().insert(0, 1))))
        .openBatch("batch");
  }

  /** A function of tensors of these shapes. */
  public static OnnxExport of(
      Function<List<Tensor>, List<Tensor>> function, List<TensorSpec> inputs) {
    return new OnnxExport(function, Map.of(), inputs);
  }

  /** Names for the inputs; otherwise they are input, or input_0 and so on. */
  public OnnxExport inputs(String... names) {
    inputs = List.of(names);
    return this;
  }

  /** Names for the outputs; otherwise they are output, or output_0 and so on. */
  public OnnxExport outputs(String... names) {
    outputs = List.of(names);
    return this;
  }

  /**
   * Leaves the first dimension of all inputs open.
   *
   * @param name what the size is called in the file
   */
  public OnnxExport openBatch(String name) {
    batch = name;
    return this;
  }

  /** Gives the first dimension of all inputs this size. */
  public OnnxExport fixedBatch(long size) {
    specs = batched(size);
    batch = null;
    return this;
  }

  /** Puts the weights into a file beside the model, as is done with those of 2 GiB and more. */
  public OnnxExport externalData() {
    external = true;
    return this;
  }

  private List<TensorSpec> batched(long size) {
    for (TensorSpec spec : specs) {
      if (spec.shape().rank() == 0) {
        throw new IllegalArgumentException("onnx export: an input " + spec + " has no batch");
      }
    }
    return specs.stream().map(spec -> spec.with(spec.shape().with(0, size))).toList();
  }

  /**
   * Writes the model; each file is replaced in one step. Weights outside of the model are in the
   * file of the same name with {@code .data} behind it, which is written first.
   *
   * @throws OnnxException if the function uses what ONNX does not have; all of it is listed
   * @throws IllegalArgumentException if names of inputs or outputs are equal, or too few or many
   * @throws java.io.UncheckedIOException if a file cannot be written; an old one is unchanged then
   */
  public void write(Path file) {
    ExportGraph graph = graph();
    Path name = file.getFileName();
    if (name != null && (external || graph.weightBytes() > MOST_INSIDE)) {
      Path data = file.resolveSibling(name + ".data");
      ExportFile parts = new ExportFile(graph, data.getFileName().toString());
      AtomicFile.write(data, parts::writeData);
      AtomicFile.write(file, parts.model()::writeTo);
    } else {
      AtomicFile.write(file, new ExportFile(graph, null).model()::writeTo);
    }
  }

  /** The model's graph. */
  ExportGraph graph() {
    String symbol = batch;
    if (symbol == null) {
      return graph(specs);
    }
    List<ExportGraph> graphs = OpenBatch.SIZES.stream().map(size -> graph(batched(size))).toList();
    return OpenBatch.join(graphs, symbol);
  }

  private ExportGraph graph(List<TensorSpec> arguments) {
    Graph graph =
        Recognise.apply(Tape.withoutRecording(() -> Trace.of(function, Device.cpu(), arguments)));
    return new Writing(
            graph,
            names("input", inputs, graph.inputs().size()),
            names("output", outputs, graph.outputs().size()))
        .write();
  }

  private static List<String> names(String kind, List<String> given, int count) {
    if (!given.isEmpty() && given.size() != count) {
      throw new IllegalArgumentException(
          "onnx export: found " + given.size() + " names for " + count + " " + kind + "s");
    }
    if (!given.isEmpty() || count == 1) {
      return given.isEmpty() ? List.of(kind) : given;
    }
    return IntStream.range(0, count).mapToObj(i -> kind + "_" + i).toList();
  }

  /** One traced graph on its way. */
  private final class Writing {
    private final Graph traced;
    private final List<String> inputNames;
    private final List<String> outputNames;
    private final ExportGraph written = new ExportGraph();
    private final OpExport ops = new OpExport(written);
    private final Map<Value, Term> terms = new HashMap<>();
    private final Set<String> problems = new LinkedHashSet<>();

    Writing(Graph traced, List<String> inputNames, List<String> outputNames) {
      this.traced = traced;
      this.inputNames = inputNames;
      this.outputNames = outputNames;
    }

    ExportGraph write() {
      inputNames.forEach(written::reserve);
      outputNames.forEach(written::reserve);
      for (int i = 0; i < inputNames.size(); i++) {
        TensorSpec spec = traced.inputs().get(i);
        written.input(inputNames.get(i), spec);
        terms.put(new Value.Input(i, spec), new Term(inputNames.get(i), spec));
      }
      Map<Value, Integer> uses = traced.uses();
      for (Node node : traced.nodes()) {
        write(node);
        for (int i = 0; i < node.outputs().size(); i++) {
          if (uses.getOrDefault(node.result(i), 0) > 1) {
            ops.share(term(node.result(i)));
          }
        }
      }
      if (!traced.writes().isEmpty()) {
        problems.add("it writes into " + traced.writes().size() + " tensors that exist already");
      }
      List<Term> results = traced.outputs().stream().map(this::term).toList();
      if (!problems.isEmpty()) {
        throw new OnnxException(
            "onnx export: the function does what a model of ONNX cannot\n  "
                + String.join("\n  ", problems));
      }
      for (int i = 0; i < results.size(); i++) {
        written.output(outputNames.get(i), results.get(i));
      }
      written.dropUnused();
      return written;
    }

    /** Writes a node, or goes on with results that nobody gives, to find all problems. */
    private void write(Node node) {
      List<Term> results;
      List<Term> arguments = node.inputs().stream().map(this::term).toList();
      try {
        results = ops.write(node.op(), arguments);
      } catch (OpExport.NotExportable e) {
        problems.add(node.op().name() + ": " + e.getMessage());
        results = node.outputs().stream().map(spec -> new Term("?", spec)).toList();
      }
      for (int i = 0; i < results.size(); i++) {
        terms.put(node.result(i), results.get(i));
      }
    }

    private Term term(Value value) {
      return switch (value) {
        case Value.Captured captured ->
            terms.computeIfAbsent(
                value, _ -> written.weight(name(captured.tensor()), captured.tensor()));
        case Value.Host host -> {
          problems.add("it reads " + host.spec() + " of the application anew in each run");
          yield new Term("?", host.spec());
        }
        case Value.Input _, Value.Result _ -> terms.get(value);
      };
    }

    private String name(Tensor tensor) {
      return weights.entrySet().stream()
          .filter(weight -> OpenBatch.isShared(weight.getValue(), tensor))
          .map(Map.Entry::getKey)
          .findFirst()
          .orElse("constant");
    }
  }
}

package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.TensorScope;
import io.quern.backend.MappedBuffer;
import io.quern.graph.Recognise;
import io.quern.graph.Relocation;
import io.quern.io.FormatException;
import io.quern.onnx.ModelProto.Dimension;
import io.quern.onnx.ModelProto.TypeProto;
import io.quern.onnx.ModelProto.ValueInfo;
import io.quern.op.Cast;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A model of the ONNX format.
 *
 * {@snippet :
 * OnnxModel model = OnnxModel.load(Path.of("model.onnx"));
 * Tensor logits = model.run(Map.of("image", image)).get("logits");
 * }
 *
 * <p>The file is mapped; weights stay where they are in it, and it must not change while the model
 * is in use. A model whose shapes follow from those of its inputs runs as a plan, one for each
 * combination of shapes it meets; others run node by node, see {@link #nodeByNode}. It runs on the
 * CPU; {@link #on} gives it on another device. Thread-safe.
 *
 * <p>{@link #close} gives the memory of its plans back at once, as for a model that is replaced by
 * another; a model that is forgotten gives it back after a garbage collection.
 */
public final class OnnxModel implements AutoCloseable {
  private final Object source;
  private final ModelProto proto;
  private final Interpreter interpreter;
  private final List<ValueInfo> inputs;
  private final ModelReport report;
  private final Relocation relocation;
  private final Object compiling = new Object();
  private volatile @Nullable Compiled compiled;
  private volatile @Nullable String nodeByNode;
  private volatile boolean closed;

  private OnnxModel(Object source, MemorySegment bytes, @Nullable Path folder) {
    this(
        source,
        QuantizedNodes.fuse(ModelReader.model(source, bytes)),
        new TensorReader(source, new ExternalData(source, folder)));
  }

  /** A model that was made or changed; {@code source} is what messages call it. */
  OnnxModel(Object source, ModelProto proto, TensorReader constants) {
    this.source = source;
    this.proto = proto;
    this.interpreter = new Interpreter(proto, constants);
    this.inputs =
        proto.graph().inputs().stream()
            .filter(input -> !proto.graph().initializers().containsKey(input.name()))
            .toList();
    this.report = ModelCheck.of(proto, interpreter);
    this.relocation = new Relocation(Device.cpu());
  }

  /**
   * Reads a model.
   *
   * @throws FormatException if the file is not an ONNX model, or a damaged one
   * @throws java.io.UncheckedIOException if it cannot be read
   */
  public static OnnxModel load(Path path) {
    MemorySegment bytes = ExternalData.map(path);
    try {
      return new OnnxModel(path, bytes, path.toAbsolutePath().getParent());
    } catch (InternalError e) {
      throw new FormatException(
          path, "became shorter while it was read", "do not write over files in use", e);
    }
  }

  private OnnxModel(OnnxModel other, Device device) {
    this.source = other.source;
    this.proto = other.proto;
    this.interpreter = other.interpreter;
    this.inputs = other.inputs;
    this.report = other.report;
    this.relocation = new Relocation(device);
  }

  /**
   * This model on another device, with copies of its weights there. Arguments may be on any device;
   * results are on the model's, but for what runs node by node, which the CPU does.
   */
  public OnnxModel on(Device device) {
    return device == relocation.device() ? this : new OnnxModel(this, device);
  }

  /** Reads a model from memory, which must stay as it is; {@code name} is for messages. */
  public static OnnxModel parse(String name, MemorySegment bytes) {
    return new OnnxModel(name, bytes, null);
  }

  /**
   * An input or output.
   *
   * @param type element type of a tensor; null for other values
   * @param dims sizes of a tensor, numbers or symbols; null when not even the rank is known
   */
  public record Parameter(String name, @Nullable ElementType type, @Nullable List<String> dims) {
    @Override
    public String toString() {
      return name + ": " + (type == null ? "not a tensor" : type + (dims == null ? "" : "" + dims));
    }
  }

  /** What the model takes, in order; constants that callers could replace are not among them. */
  public List<Parameter> inputs() {
    return inputs.stream().map(OnnxModel::parameter).toList();
  }

  /** What the model gives, in order. */
  public List<Parameter> outputs() {
    return proto.graph().outputs().stream().map(OnnxModel::parameter).toList();
  }

  private static Parameter parameter(ValueInfo info) {
    if (!(info.type() instanceof TypeProto.Tensor(int type, List<Dimension> dims))) {
      return new Parameter(info.name(), null, null);
    }
    List<String> sizes =
        dims == null
            ? null
            : dims.stream()
                .map(
                    dim ->
                        dim.size() >= 0
                            ? Long.toString(dim.size())
                            : dim.symbol().isEmpty() ? "?" : dim.symbol())
                .toList();
    return new Parameter(info.name(), ElementType.of(type), sizes);
  }

  /**
   * Reads a value for an input from a file that holds it as a message of onnx.proto, such as {@code
   * input_0.pb} of a conformance case.
   *
   * @param index counts the {@link #inputs}
   */
  public OnnxValue readInput(int index, Path file) {
    return ValueReader.read(file, inputs.get(index).type());
  }

  /** As {@link #readInput}, for an output. */
  public OnnxValue readOutput(int index, Path file) {
    return ValueReader.read(file, proto.graph().outputs().get(index).type());
  }

  /** Version of the domain ai.onnx that the model is written in. */
  public long opset() {
    return proto.opsets().getOrDefault("", 0L);
  }

  /** What can be told without running it. */
  public ModelReport check() {
    return report;
  }

  /** Why the model runs node by node, as far as runs until now have shown. */
  public Optional<String> nodeByNode() {
    return Optional.ofNullable(nodeByNode);
  }

  /**
   * The model as a compiled function of its inputs in order.
   *
   * @throws OnnxException if it cannot be one, or needs what is not supported
   */
  public Compiled compile(List<TensorSpec> specs) {
    requireSupported();
    try {
      return compiled(specs);
    } catch (NeedsValue e) {
      throw new OnnxException(
          source + ": cannot be compiled, " + e.getMessage() + "; it runs node by node", e);
    }
  }

  private Compiled compiled(List<TensorSpec> specs) {
    return new Compiled(
        Device.cpu(), this::trace, specs, graph -> relocation.apply(Recognise.apply(graph)));
  }

  private List<Tensor> trace(List<Tensor> arguments) {
    Map<String, OnnxValue> values = new HashMap<>();
    for (int i = 0; i < arguments.size(); i++) {
      values.put(inputs.get(i).name(), new OnnxValue.Dense(arguments.get(i)));
    }
    List<Tensor> results = new ArrayList<>();
    for (OnnxValue result : interpreter.run(proto.graph(), values)) {
      if (!(result instanceof OnnxValue.Dense(Tensor tensor, ElementType type))
          || !type.isPlain()) {
        throw new NeedsValue("it gives " + result.kind());
      }
      results.add(tensor);
    }
    return results;
  }

  /**
   * Runs the model.
   *
   * @param arguments the inputs by name
   * @return the outputs by name, as new tensors
   * @throws OnnxException if the inputs do not fit, the model needs what is not supported, or it
   *     has outputs that are not tensors
   */
  public Map<String, Tensor> run(Map<String, Tensor> arguments) {
    Map<String, OnnxValue> values = new LinkedHashMap<>();
    arguments.forEach((name, tensor) -> values.put(name, new OnnxValue.Dense(tensor)));
    Map<String, Tensor> results = new LinkedHashMap<>();
    runValues(values)
        .forEach(
            (name, value) -> {
              if (!(value instanceof OnnxValue.Dense(Tensor tensor, ElementType _))) {
                throw new OnnxException(
                    source + ": output '" + name + "' is " + value.kind() + "; use runValues");
              }
              results.put(name, tensor);
            });
    return results;
  }

  /** {@link #run} for inputs and outputs of all kinds. */
  public Map<String, OnnxValue> runValues(Map<String, OnnxValue> arguments) {
    requireSupported();
    if (closed) {
      throw new IllegalStateException(source + ": the model was closed; load it anew");
    }
    boolean plain = nodeByNode == null && !inputs.isEmpty() && arguments.size() == inputs.size();
    for (ValueInfo input : inputs) {
      OnnxValue value = arguments.get(input.name());
      if (value == null) {
        throw new OnnxException(
            source + ": input '" + input.name() + "' is missing, found " + arguments.keySet());
      }
      requireFits(input, value);
      plain &= value instanceof OnnxValue.Dense(Tensor _, ElementType type) && type.isPlain();
    }
    for (String name : arguments.keySet()) {
      if (proto.graph().inputs().stream().noneMatch(input -> input.name().equals(name))) {
        throw new OnnxException(
            source + ": there is no input '" + name + "'; the inputs are " + inputs());
      }
    }
    OnnxValue[] results = results(arguments, plain);
    Map<String, OnnxValue> named = new LinkedHashMap<>();
    for (int i = 0; i < results.length; i++) {
      named.put(proto.graph().outputs().get(i).name(), results[i]);
    }
    return named;
  }

  private OnnxValue @Nullable [] planned(Map<String, OnnxValue> arguments) {
    Tensor[] tensors = new Tensor[inputs.size()];
    for (int i = 0; i < tensors.length; i++) {
      tensors[i] = ((OnnxValue.Dense) arguments.get(inputs.get(i).name())).tensor();
    }
    try {
      Compiled now = compiled;
      if (now == null) {
        now = shared(Arrays.stream(tensors).map(Tensor::spec).toList());
      }
      return OnnxValue.all(run(now, tensors));
    } catch (NeedsValue e) {
      nodeByNode = e.getMessage();
      return null;
    }
  }

  /** What all runs share: the first one compiles it, others wait. */
  private Compiled shared(List<TensorSpec> specs) {
    synchronized (compiling) {
      Compiled now = compiled;
      if (now == null) {
        now = compiled(specs);
        compiled = now;
        if (closed) { // while it was compiled
          now.close();
        }
      }
      return now;
    }
  }

  /**
   * Gives the memory of the model's plans back, as soon as runs that take place now have ended.
   * Later runs throw {@link IllegalStateException}. What {@link #compile} gave, and this model on
   * other devices, is closed by itself.
   */
  @Override
  public void close() {
    closed = true;
    Compiled now = compiled;
    if (now != null) {
      now.close();
    }
  }

  private Tensor[] run(Compiled function, Tensor[] arguments) {
    Device device = relocation.device();
    if (Arrays.stream(arguments).allMatch(argument -> argument.device() == device)) {
      return function.runAll(arguments);
    }
    try (TensorScope scope = TensorScope.open("a run of " + source)) {
      Tensor[] moved =
          Arrays.stream(arguments).map(argument -> argument.to(device)).toArray(Tensor[]::new);
      return Arrays.stream(function.runAll(moved)).map(scope::keep).toArray(Tensor[]::new);
    }
  }

  /** As a plan if the arguments allow it, else node by node; failures name the model. */
  private OnnxValue[] results(Map<String, OnnxValue> arguments, boolean plain) {
    try {
      OnnxValue[] results = plain ? planned(arguments) : null;
      return results == null ? eager(arguments) : results;
    } catch (OnnxException | IndexOutOfBoundsException | ArithmeticException e) {
      String name = source + ": ";
      if (e instanceof OnnxException complete && complete.getMessage().startsWith(name)) {
        throw complete;
      }
      throw new OnnxException(name + e.getMessage(), e);
    }
  }

  private static OnnxValue onCpu(OnnxValue value) {
    return value instanceof OnnxValue.Dense(Tensor tensor, ElementType type)
        ? new OnnxValue.Dense(tensor.to(Device.cpu()), type)
        : value;
  }

  private OnnxValue[] eager(Map<String, OnnxValue> arguments) {
    try (TensorScope scope = TensorScope.open("a run of " + source)) {
      Map<String, OnnxValue> onCpu = new LinkedHashMap<>();
      arguments.forEach((name, value) -> onCpu.put(name, onCpu(value)));
      OnnxValue[] results = interpreter.run(proto.graph(), onCpu);
      for (int i = 0; i < results.length; i++) {
        results[i] = owned(results[i], scope);
      }
      return results;
    }
  }

  /** The value in tensors that belong to the caller alone. */
  private static OnnxValue owned(OnnxValue value, TensorScope scope) {
    return switch (value) {
      case OnnxValue.Dense(Tensor tensor, ElementType type) ->
          new OnnxValue.Dense(
              scope.keep(
                  TensorAccess.buffer(tensor) instanceof MappedBuffer
                      ? Tensor.apply(new Cast(tensor.dtype()), tensor)
                      : tensor.detach()),
              type);
      case OnnxValue.Strings strings -> strings;
      case OnnxValue.Sequence(List<OnnxValue> elements) ->
          new OnnxValue.Sequence(elements.stream().map(each -> owned(each, scope)).toList());
      case OnnxValue.Optional(OnnxValue element) ->
          new OnnxValue.Optional(element == null ? null : owned(element, scope));
      case OnnxValue.Dictionary(Map<Object, OnnxValue> entries) -> {
        Map<Object, OnnxValue> copy = new LinkedHashMap<>();
        entries.forEach((key, each) -> copy.put(key, owned(each, scope)));
        yield new OnnxValue.Dictionary(copy);
      }
    };
  }

  private void requireSupported() {
    if (!report.isSupported()) {
      throw new OnnxException(source + ": cannot run\n" + report);
    }
  }

  private void requireFits(ValueInfo input, OnnxValue value) {
    if (!(input.type() instanceof TypeProto.Tensor(int code, List<Dimension> dims))
        || !(value instanceof OnnxValue.Dense(Tensor tensor, ElementType type))) {
      return;
    }
    ElementType expected = ElementType.of(code);
    DType dtype = expected == null ? null : expected.dtype();
    boolean fits = (code == 0 || type == expected || tensor.dtype() == dtype);
    Shape shape = tensor.shape();
    if (fits && dims != null) {
      fits = dims.size() == shape.rank();
      for (int d = 0; fits && d < shape.rank(); d++) {
        fits = dims.get(d).size() < 0 || dims.get(d).size() == shape.dim(d);
      }
    }
    if (!fits) {
      throw new OnnxException(
          source
              + ": input '"
              + input.name()
              + "' must be "
              + parameter(input)
              + ", found "
              + value.kind());
    }
  }
}

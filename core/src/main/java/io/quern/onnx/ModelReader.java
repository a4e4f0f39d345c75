package io.quern.onnx;

import io.quern.io.FormatException;
import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Dimension;
import io.quern.onnx.ModelProto.Function;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.SparseTensor;
import io.quern.onnx.ModelProto.TensorProto;
import io.quern.onnx.ModelProto.TypeProto;
import io.quern.onnx.ModelProto.ValueInfo;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads messages of onnx.proto; the numbers are those of its fields. */
final class ModelReader {
  private static final long EXTERNAL = 1;

  private ModelReader() {}

  /** The model that fills {@code bytes}. */
  static ModelProto model(Object source, MemorySegment bytes) {
    ProtoReader in = new ProtoReader(source, bytes);
    long irVersion = 0;
    String producer = "";
    Map<String, Long> opsets = new HashMap<>();
    Graph graph = null;
    List<Function> functions = new ArrayList<>();
    while (in.next()) {
      switch (in.field()) {
        case 1 -> irVersion = in.varint();
        case 2 -> producer = in.string();
        case 7 -> graph = graph(in.message());
        case 8 -> opset(in.message(), opsets);
        case 25 -> functions.add(function(in.message()));
        default -> in.skip();
      }
    }
    if (graph == null) {
      throw new FormatException(
          source,
          "has no graph in " + bytes.byteSize() + " bytes",
          "the file is truncated or not an ONNX model");
    }
    return new ModelProto(irVersion, producer, opsets, graph, functions);
  }

  private static void opset(ProtoReader in, Map<String, Long> opsets) {
    String domain = "";
    long version = 0;
    while (in.next()) {
      switch (in.field()) {
        case 1 -> domain = domain(in.string());
        case 2 -> version = in.varint();
        default -> in.skip();
      }
    }
    opsets.put(domain, version);
  }

  /** The default domain has two names. */
  private static String domain(String name) {
    return name.equals("ai.onnx") ? "" : name;
  }

  private static Graph graph(ProtoReader in) {
    String name = "";
    List<Node> nodes = new ArrayList<>();
    List<ValueInfo> inputs = new ArrayList<>();
    List<ValueInfo> outputs = new ArrayList<>();
    Map<String, TensorProto> initializers = new LinkedHashMap<>();
    Map<String, SparseTensor> sparse = new LinkedHashMap<>();
    while (in.next()) {
      switch (in.field()) {
        case 1 -> nodes.add(node(in.message()));
        case 2 -> name = in.string();
        case 5 -> {
          TensorProto tensor = tensor(in.message());
          initializers.put(tensor.name(), tensor);
        }
        case 11 -> inputs.add(valueInfo(in.message()));
        case 12 -> outputs.add(valueInfo(in.message()));
        case 15 -> {
          SparseTensor tensor = sparse(in.message());
          sparse.put(tensor.values().name(), tensor);
        }
        default -> in.skip();
      }
    }
    return new Graph(name, nodes, inputs, outputs, initializers, sparse);
  }

  private static Node node(ProtoReader in) {
    String name = "";
    String domain = "";
    String op = "";
    String overload = "";
    List<String> inputs = new ArrayList<>();
    List<String> outputs = new ArrayList<>();
    Map<String, Attribute> attributes = new LinkedHashMap<>();
    while (in.next()) {
      switch (in.field()) {
        case 1 -> inputs.add(in.string());
        case 2 -> outputs.add(in.string());
        case 3 -> name = in.string();
        case 4 -> op = in.string();
        case 5 -> {
          Attribute attribute = attribute(in.message());
          attributes.put(attribute.name(), attribute);
        }
        case 7 -> domain = domain(in.string());
        case 8 -> overload = in.string();
        default -> in.skip();
      }
    }
    return new Node(name, domain, op, overload, inputs, outputs, attributes);
  }

  private static Attribute attribute(ProtoReader in) {
    String name = "";
    String reference = "";
    int kind = 0;
    float number = 0;
    long integer = 0;
    MemorySegment text = null;
    TensorProto tensor = null;
    SparseTensor sparse = null;
    Graph graph = null;
    Numbers numbers = new Numbers();
    Numbers integers = new Numbers();
    List<MemorySegment> texts = new ArrayList<>();
    List<TensorProto> tensors = new ArrayList<>();
    List<Graph> graphs = new ArrayList<>();
    while (in.next()) {
      switch (in.field()) {
        case 1 -> name = in.string();
        case 2 -> number = in.float32();
        case 3 -> integer = in.varint();
        case 4 -> text = in.bytes();
        case 5 -> tensor = tensor(in.message());
        case 6 -> graph = graph(in.message());
        case 7 -> in.floats(numbers);
        case 8 -> in.varints(integers);
        case 9 -> texts.add(in.bytes());
        case 10 -> tensors.add(tensor(in.message()));
        case 11 -> graphs.add(graph(in.message()));
        case 20 -> kind = in.int32();
        case 21 -> reference = in.string();
        case 22 -> sparse = sparse(in.message());
        default -> in.skip();
      }
    }
    float[] floats = new float[numbers.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = Float.intBitsToFloat((int) numbers.get(i));
    }
    return new Attribute(
        name,
        reference,
        kind,
        number,
        integer,
        text,
        tensor,
        sparse,
        graph,
        floats,
        integers.toArray(),
        texts,
        tensors,
        graphs);
  }

  /** A tensor. */
  static TensorProto tensor(ProtoReader in) {
    String name = "";
    int type = 0;
    Numbers dims = new Numbers();
    MemorySegment raw = null;
    Numbers numbers = new Numbers();
    List<MemorySegment> strings = new ArrayList<>();
    Map<String, String> external = new HashMap<>();
    long location = 0;
    while (in.next()) {
      switch (in.field()) {
        case 1 -> in.varints(dims);
        case 2 -> type = in.int32();
        case 4 -> in.floats(numbers);
        case 5, 7, 11 -> in.varints(numbers);
        case 6 -> strings.add(in.bytes());
        case 8 -> name = in.string();
        case 9 -> raw = in.bytes();
        case 10 -> in.doubles(numbers);
        case 13 -> entry(in.message(), external);
        case 14 -> location = in.varint();
        default -> in.skip();
      }
    }
    return new TensorProto(
        name,
        type,
        dims.toArray(),
        raw,
        numbers,
        strings,
        location == EXTERNAL ? external : null,
        in.position());
  }

  private static void entry(ProtoReader in, Map<String, String> entries) {
    String key = "";
    String value = "";
    while (in.next()) {
      switch (in.field()) {
        case 1 -> key = in.string();
        case 2 -> value = in.string();
        default -> in.skip();
      }
    }
    entries.put(key, value);
  }

  private static SparseTensor sparse(ProtoReader in) {
    TensorProto values = null;
    TensorProto indices = null;
    Numbers dims = new Numbers();
    while (in.next()) {
      switch (in.field()) {
        case 1 -> values = tensor(in.message());
        case 2 -> indices = tensor(in.message());
        case 3 -> in.varints(dims);
        default -> in.skip();
      }
    }
    if (values == null || indices == null) {
      throw in.error("a sparse tensor without values or indices", "both");
    }
    return new SparseTensor(values, indices, dims.toArray());
  }

  private static ValueInfo valueInfo(ProtoReader in) {
    String name = "";
    TypeProto type = null;
    while (in.next()) {
      switch (in.field()) {
        case 1 -> name = in.string();
        case 2 -> type = type(in.message());
        default -> in.skip();
      }
    }
    return new ValueInfo(name, type);
  }

  private static @Nullable TypeProto type(ProtoReader in) {
    TypeProto type = null;
    while (in.next()) {
      switch (in.field()) {
        case 1 -> type = tensorType(in.message());
        case 4 -> type = new TypeProto.Sequence(elementType(in.message()));
        case 5 -> type = mapType(in.message());
        case 7 -> type = other(in, "opaque");
        case 8 -> type = other(in, "sparse tensor");
        case 9 -> type = new TypeProto.Optional(elementType(in.message()));
        default -> in.skip();
      }
    }
    return type;
  }

  private static TypeProto other(ProtoReader in, String name) {
    in.skip();
    return new TypeProto.Other(name);
  }

  private static TypeProto tensorType(ProtoReader in) {
    int elementType = 0;
    List<Dimension> dims = null;
    while (in.next()) {
      switch (in.field()) {
        case 1 -> elementType = in.int32();
        case 2 -> dims = shape(in.message());
        default -> in.skip();
      }
    }
    return new TypeProto.Tensor(elementType, dims);
  }

  private static List<Dimension> shape(ProtoReader in) {
    List<Dimension> dims = new ArrayList<>();
    while (in.next()) {
      if (in.field() == 1) {
        dims.add(dimension(in.message()));
      } else {
        in.skip();
      }
    }
    return dims;
  }

  private static Dimension dimension(ProtoReader in) {
    long size = -1;
    String symbol = "";
    while (in.next()) {
      switch (in.field()) {
        case 1 -> size = in.varint();
        case 2 -> symbol = in.string();
        default -> in.skip();
      }
    }
    return new Dimension(Math.max(-1, size), symbol);
  }

  private static @Nullable TypeProto elementType(ProtoReader in) {
    TypeProto element = null;
    while (in.next()) {
      if (in.field() == 1) {
        element = type(in.message());
      } else {
        in.skip();
      }
    }
    return element;
  }

  private static TypeProto mapType(ProtoReader in) {
    int key = 0;
    TypeProto value = null;
    while (in.next()) {
      switch (in.field()) {
        case 1 -> key = in.int32();
        case 2 -> value = type(in.message());
        default -> in.skip();
      }
    }
    return new TypeProto.Dictionary(key, value);
  }

  private static Function function(ProtoReader in) {
    String name = "";
    String domain = "";
    String overload = "";
    List<String> inputs = new ArrayList<>();
    List<String> outputs = new ArrayList<>();
    List<String> attributes = new ArrayList<>();
    Map<String, Attribute> defaults = new LinkedHashMap<>();
    List<Node> nodes = new ArrayList<>();
    Map<String, Long> opsets = new HashMap<>();
    while (in.next()) {
      switch (in.field()) {
        case 1 -> name = in.string();
        case 4 -> inputs.add(in.string());
        case 5 -> outputs.add(in.string());
        case 6 -> attributes.add(in.string());
        case 7 -> nodes.add(node(in.message()));
        case 9 -> opset(in.message(), opsets);
        case 10 -> domain = domain(in.string());
        case 11 -> {
          Attribute attribute = attribute(in.message());
          defaults.put(attribute.name(), attribute);
        }
        case 13 -> overload = in.string();
        default -> in.skip();
      }
    }
    return new Function(
        name, domain, overload, inputs, outputs, attributes, defaults, nodes, opsets);
  }
}

package io.quern.onnx;

import io.quern.onnx.ModelProto.Node;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;

/**
 * Which attributes the operators of ai.onnx have. One that has no meaning here would be passed over
 * in silence, whatever the author of a model meant by it.
 */
final class KnownAttributes {
  private static final String TABLE = "attributes.properties";
  private static final Properties ALL = read();

  private KnownAttributes() {}

  private static Properties read() {
    Properties table = new Properties();
    try (InputStream in = KnownAttributes.class.getResourceAsStream(TABLE)) {
      if (in == null) {
        throw new IllegalStateException("onnx: " + TABLE + " is missing");
      }
      table.load(in);
      return table;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The attributes of an operator of ai.onnx, by name. */
  static List<String> of(String op) {
    String names = ALL.getProperty(op, "");
    return names.isEmpty() ? List.of() : Arrays.asList(names.split(" "));
  }

  /** The attributes of a node that its operator does not have; none for other domains. */
  static List<String> unknown(Node node) {
    if (!node.domain().isEmpty() || !ALL.containsKey(node.op())) {
      return List.of();
    }
    List<String> known = of(node.op());
    return node.attributes().keySet().stream().filter(name -> !known.contains(name)).toList();
  }
}

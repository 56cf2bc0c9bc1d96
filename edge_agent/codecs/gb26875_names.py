"""The tables of GB/T 26875.3-2011 in English and Chinese: what its numbers and bits are called."""

from typing import Final, NamedTuple


class Name(NamedTuple):
    """One meaning in two languages."""

    en: str
    zh: str


COMMANDS: Final = {
    1: Name("control", "控制命令"),
    2: Name("send", "发送数据"),
    3: Name("confirm", "确认"),
    4: Name("request", "请求"),
    5: Name("answer", "应答"),
    6: Name("deny", "否认"),
}
"""6.6.2, table 2."""

UNIT_TYPES: Final = {
    1: Name("system state", "上传建筑消防设施系统状态"),
    2: Name("component state", "上传建筑消防设施部件运行状态"),
    3: Name("analogue value", "上传建筑消防设施部件模拟量值"),
    4: Name("operation", "上传建筑消防设施操作信息"),
    5: Name("software version", "上传建筑消防设施软件版本"),
    6: Name("system configuration", "上传建筑消防设施系统配置情况"),
    7: Name("component configuration", "上传建筑消防设施部件配置情况"),
    8: Name("system time", "上传建筑消防设施系统时间"),
    21: Name("transmitter state", "上传用户信息传输装置运行状态"),
    24: Name("transmitter operation", "上传用户信息传输装置操作信息"),
    25: Name("transmitter software version", "上传用户信息传输装置软件版本"),
    26: Name("transmitter configuration", "上传用户信息传输装置配置情况"),
    28: Name("transmitter time", "上传用户信息传输装置系统时间"),
    61: Name("read system state", "读建筑消防设施系统状态"),
    62: Name("read component state", "读建筑消防设施部件运行状态"),
    63: Name("read analogue value", "读建筑消防设施部件模拟量值"),
    64: Name("read operations", "读建筑消防设施操作信息"),
    65: Name("read software version", "读建筑消防设施软件版本"),
    66: Name("read system configuration", "读建筑消防设施系统配置情况"),
    67: Name("read component configuration", "读建筑消防设施部件配置情况"),
    68: Name("read system time", "读建筑消防设施系统时间"),
    81: Name("read transmitter state", "读用户信息传输装置运行状态"),
    84: Name("read transmitter operations", "读用户信息传输装置操作信息记录"),
    85: Name("read transmitter software version", "读用户信息传输装置软件版本"),
    86: Name("read transmitter configuration", "读用户信息传输装置配置情况"),
    88: Name("read transmitter time", "读用户信息传输装置系统时间"),
    89: Name("initialise transmitter", "初始化用户信息传输装置"),
    90: Name("set transmitter clock", "同步用户信息传输装置时钟"),
    91: Name("duty check", "查岗命令"),
}
"""8.1, table 3."""

SYSTEM_TYPES: Final = {
    0: Name("general", "通用"),
    1: Name("fire alarm system", "火灾报警系统"),
    10: Name("fire linkage controller", "消防联动控制器"),
    11: Name("hydrant system", "消火栓系统"),
    12: Name("sprinkler system", "自动喷水灭火系统"),
    13: Name("gas extinguishing system", "气体灭火系统"),
    14: Name("water spray system, started by pump", "水喷雾灭火系统（泵启动方式）"),
    15: Name("water spray system, started by pressure vessel", "水喷雾灭火系统（压力容器启动方式）"),
    16: Name("foam extinguishing system", "泡沫灭火系统"),
    17: Name("dry powder extinguishing system", "干粉灭火系统"),
    18: Name("smoke control system", "防烟排烟系统"),
    19: Name("fire door and shutter system", "防火门及卷帘系统"),
    20: Name("fire lift", "消防电梯"),
    21: Name("emergency broadcast", "消防应急广播"),
    22: Name("emergency lighting and evacuation signs", "消防应急照明和疏散指示系统"),
    23: Name("fire power supply", "消防电源"),
    24: Name("fire telephone", "消防电话"),
}
"""8.2.1.1, table 4; 128 to 255 are a maker's own."""

COMPONENT_TYPES: Final = {
    0: Name("general", "通用"),
    1: Name("fire alarm controller", "火灾报警控制器"),
    10: Name("combustible gas detector", "可燃气体探测器"),
    11: Name("point combustible gas detector", "点型可燃气体探测器"),
    12: Name("stand-alone combustible gas detector", "独立式可燃气体探测器"),
    13: Name("line combustible gas detector", "线型可燃气体探测器"),
    16: Name("electrical fire monitor", "电气火灾监控报警器"),
    17: Name("residual current detector", "剩余电流式电气火灾监控探测器"),
    18: Name("electrical temperature detector", "测温式电气火灾监控探测器"),
    21: Name("detection loop", "探测回路"),
    22: Name("fire display panel", "火灾显示盘"),
    23: Name("manual call point", "手动火灾报警按钮"),
    24: Name("hydrant button", "消火栓按钮"),
    25: Name("fire detector", "火灾探测器"),
    30: Name("heat detector", "感温火灾探测器"),
    31: Name("point heat detector", "点型感温火灾探测器"),
    32: Name("point heat detector, type S", "点型感温火灾探测器（S型）"),
    33: Name("point heat detector, type R", "点型感温火灾探测器（R型）"),
    34: Name("line heat detector", "线型感温火灾探测器"),
    35: Name("line heat detector, type S", "线型感温火灾探测器（S型）"),
    36: Name("line heat detector, type R", "线型感温火灾探测器（R型）"),
    37: Name("fibre heat detector", "光纤感温火灾探测器"),
    40: Name("smoke detector", "感烟火灾探测器"),
    41: Name("point ionisation smoke detector", "点型离子感烟火灾探测器"),
    42: Name("point optical smoke detector", "点型光电感烟火灾探测器"),
    43: Name("line beam smoke detector", "线型光束感烟火灾探测器"),
    44: Name("aspirating smoke detector", "吸气式感烟火灾探测器"),
    50: Name("combined detector", "复合式火灾探测器"),
    51: Name("combined smoke and heat detector", "复合式感烟感温火灾探测器"),
    52: Name("combined flame and heat detector", "复合式感光感温火灾探测器"),
    53: Name("combined flame and smoke detector", "复合式感光感烟火灾探测器"),
    61: Name("ultraviolet flame detector", "紫外火焰探测器"),
    62: Name("infrared flame detector", "红外火焰探测器"),
    69: Name("flame detector", "感光火灾探测器"),
    74: Name("gas detector", "气体探测器"),
    78: Name("video fire detector", "图像摄像方式火灾探测器"),
    79: Name("acoustic fire detector", "感声火灾探测器"),
    81: Name("gas extinguishing controller", "气体灭火控制器"),
    82: Name("fire electrical control device", "消防电气控制装置"),
    83: Name("control room graphic display", "消防控制室图形显示装置"),
    84: Name("module", "模块"),
    85: Name("input module", "输入模块"),
    86: Name("output module", "输出模块"),
    87: Name("input and output module", "输入/输出模块"),
    88: Name("relay module", "中继模块"),
    91: Name("fire pump", "消防水泵"),
    92: Name("fire water tank", "消防水箱"),
    95: Name("sprinkler pump", "喷淋泵"),
    96: Name("water flow indicator", "水流指示器"),
    97: Name("signal valve", "信号阀"),
    98: Name("alarm valve", "报警阀"),
    99: Name("pressure switch", "压力开关"),
    101: Name("valve actuator", "阀驱动装置"),
    102: Name("fire door", "防火门"),
    103: Name("fire damper", "防火阀"),
    104: Name("ventilation", "通风空调"),
    105: Name("foam pump", "泡沫液泵"),
    106: Name("pipe solenoid valve", "管网电磁阀"),
    111: Name("smoke control fan", "防烟排烟风机"),
    113: Name("smoke exhaust damper", "排烟防火阀"),
    114: Name("normally closed air inlet", "常闭送风口"),
    115: Name("smoke outlet", "排烟口"),
    116: Name("electric smoke curtain", "电控挡烟垂壁"),
    117: Name("fire shutter controller", "防火卷帘控制器"),
    118: Name("fire door monitor", "防火门监控器"),
    121: Name("alarm sounder", "警报装置"),
}
"""8.2.1.2, table 5; 128 to 255 are a maker's own."""

NORMAL_BIT: Final = 0
"""Set in normal service, clear in test, says the standard. Transmitters in the field clear it in a real alarm all the
same, so it must never make an alarm less than one."""

_STATES: Final = {
    NORMAL_BIT: Name("normal", "正常运行"),
    1: Name("fire", "火警"),
    2: Name("fault", "故障"),
    3: Name("shielded", "屏蔽"),
    4: Name("supervised", "监管"),
    5: Name("started", "启动"),
    6: Name("feedback", "反馈"),
    7: Name("delayed", "延时"),
}
SYSTEM_STATES: Final = _STATES | {
    8: Name("mains fault", "主电故障"),
    9: Name("battery fault", "备电故障"),
    10: Name("bus fault", "总线故障"),
    11: Name("manual", "手动状态"),
    12: Name("configuration changed", "配置改变"),
    13: Name("reset", "复位"),
}
"""8.2.1.1."""
COMPONENT_STATES: Final = _STATES | {8: Name("power fault", "电源故障")}
"""8.2.1.2."""
TRANSMITTER_STATES: Final = {
    NORMAL_BIT: Name("normal", "正常监视状态"),
    1: Name("fire", "火警"),
    2: Name("fault", "故障"),
    3: Name("mains fault", "主电故障"),
    4: Name("battery fault", "备电故障"),
    5: Name("channel fault", "与监控中心通信信道故障"),
    6: Name("line fault", "监测连接线路故障"),
}
"""8.2.1.8."""

_OPERATIONS: Final = {
    0: Name("reset", "复位"),
    1: Name("silence", "消音"),
    2: Name("manual alarm", "手动报警"),
    3: Name("alarm cleared", "警情消除"),
    4: Name("self-test", "自检"),
    6: Name("test", "测试"),
}
TEST_BITS: Final = 1 << 4 | 1 << 6
"""Of an operation: somebody tries the plant."""
SYSTEM_OPERATIONS: Final = _OPERATIONS | {5: Name("confirm", "确认")}
"""8.2.1.4."""
TRANSMITTER_OPERATIONS: Final = _OPERATIONS | {5: Name("duty answer", "查岗应答")}
"""8.2.1.9."""


class Analogue(NamedTuple):
    """How an analogue value is counted: raw / 10**decimals in `unit`, valid when `least` <= raw <= `most`."""

    en: str
    zh: str
    unit: str
    decimals: int
    least: int
    most: int


ANALOGUES: Final = {
    1: Analogue("count", "事件计数", "1", 0, 0, 32000),
    2: Analogue("height", "高度", "m", 2, 0, 32000),
    3: Analogue("temperature", "温度", "degC", 1, -2730, 32000),
    4: Analogue("pressure", "压力", "MPa", 1, 0, 32000),
    5: Analogue("pressure", "压力", "kPa", 1, 0, 32000),
    6: Analogue("gas_concentration", "气体浓度", "%LEL", 1, 0, 1000),
    7: Analogue("time", "时间", "s", 0, 0, 32000),
    8: Analogue("voltage", "电压", "V", 1, 0, 32000),
    9: Analogue("current", "电流", "A", 1, 0, 32000),
    10: Analogue("flow", "流量", "L/s", 1, 0, 32000),
    11: Analogue("air_flow", "风量", "m3/min", 1, 0, 32000),
    12: Analogue("air_speed", "风速", "m/s", 0, 0, 20),
}
"""8.2.1.3, table 6; 128 to 255 are a maker's own. Kind 4 steps by 0.1 MPa: too coarse for a hydrant."""


def named_bits(value: int, names: dict[int, Name]) -> tuple[Name, ...]:
    """What the bits set in `value` mean; a bit without a name is called by its number."""
    bits = (bit for bit in range(value.bit_length()) if value >> bit & 1)
    return tuple(names.get(bit, Name(f"bit {bit}", f"第{bit}位")) for bit in bits)

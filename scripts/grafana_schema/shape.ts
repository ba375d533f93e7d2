// What a dashboard of this project may look like: Grafana's own types, joined so that nothing is left open.
//
// Grafana's Dashboard leaves a panel's options, queries and links to the plug-ins. Here each kind of panel that we use
// has the types of its plug-in, and a query has what the Prometheus data source understands.
import * as common from '@grafana/schema/dist/esm/common/common.gen';
import * as raw from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';
import * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

interface DataSource {
  type: 'prometheus';
  uid: '${datasource}';
}

interface Query {
  datasource: DataSource;
  editorMode: 'code';
  expr: string;
  format: 'time_series' | 'table';
  instant: boolean;
  legendFormat?: string;
  range: boolean;
  refId: string;
}

interface DataLink {
  targetBlank?: boolean;
  title: string;
  url: string;
}

interface Field<Custom> extends Omit<raw.FieldConfig, 'custom' | 'links'> {
  custom?: Partial<Custom>;
  links?: DataLink[];
  noValue: string;
}

interface PanelOf<Type extends string, Options, Custom>
  extends Omit<raw.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource'> {
  datasource: DataSource;
  description: string;
  fieldConfig: { defaults: Field<Custom>; overrides: raw.FieldConfigSource['overrides'] };
  gridPos: raw.GridPos;
  id: number;
  options: Options;
  targets: Query[];
  title: string;
  type: Type;
}

interface Row extends Omit<raw.RowPanel, 'panels'> {
  gridPos: raw.GridPos;
  panels: never[];
  title: string;
}

type Panel =
  | PanelOf<'bargauge', bargauge.Options, {}>
  | PanelOf<'stat', stat.Options, {}>
  | PanelOf<'state-timeline', timeline.Options, timeline.FieldConfig>
  | PanelOf<'table', table.Options, common.TableFieldOptions>
  | PanelOf<'timeseries', timeseries.Options, common.GraphFieldConfig>;

interface Annotation extends Omit<raw.AnnotationQuery, 'datasource' | 'target'> {
  datasource: DataSource;
  expr: string;
  step?: string;
  textFormat?: string;
  titleFormat: string;
  useValueForTime?: 'on';
}

interface PrometheusVariableQuery {
  query: string;
  refId: string;
}

interface Variable extends Omit<raw.VariableModel, 'query'> {
  query?: string | PrometheusVariableQuery;
}

export interface Shape extends Omit<raw.Dashboard, 'annotations' | 'panels' | 'templating'> {
  annotations: { list: Annotation[] };
  description: string;
  panels: (Panel | Row)[];
  templating: { list: Variable[] };
  title: string;
  uid: string;
}
